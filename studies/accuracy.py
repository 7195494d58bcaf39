"""Accuracy and calibration as trained, with clean and with noisy labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import softtargets as st
from softtargets import plots
from softtargets.demo import data
from softtargets.plots.style import new_figure
from studies.findings import Finding, markdown, points_differ
from studies.measures import accuracy, digits, logits_of, smoothed
from studies.results import Measured, Results
from studies.study import Settings, Study
from studies.sweep import EPSILONS, NOISES, named, sweep
from studies.training import cross_entropy, flipped, of_rows, side_by_side, train

#: The second design, for accuracy alone: more images, more smoothing, and a correction.
MORE, MORE_STEPS = 1000, 2000
MORE_NOISES, MORE_EPSILONS = (0.2, 0.4), (0.0, 0.1, 0.3, 0.6)
SHOWN = ("accuracy", "confidence", "nll", "ece", "floor", "ece by mass", "smooth error", "aurc")


def measure(seed: int, settings: Settings) -> Measured:
    """Return the measures of both designs."""
    small = {key: value for key, value in sweep(seed, settings).items() if key[1] in SHOWN}
    return small | more(seed, settings)


def wide(noise: float, treatment: str) -> str:
    """Return the name of a condition of the second design."""
    return f"{MORE} images, noise {noise:g}, {treatment}"


def more(seed: int, settings: Settings) -> Measured:
    """Return accuracies after training on more images."""
    parts = data.split(digits(), seed, MORE, 0)
    conditions, losses = [], []
    for noise in MORE_NOISES:
        labels = flipped(parts.train.labels, noise, seed)
        for e in MORE_EPSILONS:
            conditions.append(wide(noise, smoothed(e)))
            losses.append(cross_entropy(labels, e))
        transition = st.noise_transition(data.NUM_CLASSES, noise).astype(np.float32)
        conditions.append(wide(noise, "forward"))
        losses.append(of_rows(st.forward_correction, labels, transition=transition))
    steps = settings.steps(MORE_STEPS)
    images = parts.train.images
    weights = train(images, side_by_side(losses), seed, steps, len(losses))[-1]
    test = logits_of(weights, parts.test.images)
    return {
        (condition, "accuracy"): accuracy(logits, parts.test.labels)
        for condition, logits in zip(conditions, test, strict=True)
    }


def tables(results: Results) -> Sequence[str]:
    """Return a table for each amount of noise, and one of the second design."""
    header = [
        *("e", "accuracy %", "confidence %", "NLL", "ECE %", "its floor %"),
        *("ECE % by mass", "smooth error %", "AURC x 1000"),
    ]
    formats = [(1, 100), (1, 100), (3, 1), (1, 100), (1, 100), (1, 100), (1, 100), (2, 1000)]
    lines: list[str] = []
    for noise in NOISES:
        rows = [
            [
                f"{e:g}",
                *(
                    results.cell(named(noise, e), name, *form)
                    for name, form in zip(SHOWN, formats, strict=True)
                ),
            ]
            for e in EPSILONS
        ]
        title = f"{data.TRAIN} images, {100 * noise:g} % of the training labels wrong:"
        lines += [title, "", *markdown(header, rows), ""]
    treatments = [*(smoothed(e) for e in MORE_EPSILONS), "forward"]
    rows = [
        [treatment, *(results.cell(wide(noise, treatment), "accuracy", 1, 100)
                      for noise in MORE_NOISES)]
        for treatment in treatments
    ]  # fmt: skip
    header = ["accuracy %", *(f"{100 * noise:g} % wrong" for noise in MORE_NOISES)]
    return [*lines, f"{MORE} images:", "", *markdown(header, rows), ""]


def findings(results: Results) -> Sequence[Finding]:
    """Judge what is said of accuracy and of calibration."""
    found = []

    def compare(claim: str, measure: str, condition: str, base: str, sign: int) -> None:
        found.append(points_differ(claim, results.difference(measure, condition, base), sign))

    def raises(noise: float, e: float, base: float = 0.0) -> None:
        claim = f"{MORE} images, {100 * noise:g} % noise: e = {e:g} is more accurate than {base:g}"
        compare(claim, "accuracy", wide(noise, smoothed(e)), wide(noise, smoothed(base)), 1)

    for noise in NOISES:
        where = f"{data.TRAIN} images, {100 * noise:g} % noise"
        pair = (named(noise, 0.1), named(noise, 0.0))
        compare(f"{where}: e = 0.1 raises accuracy", "accuracy", *pair, 1)
    for noise in MORE_NOISES:
        raises(noise, 0.1)
        raises(noise, 0.6)
        raises(noise, 0.6, 0.3)
        claim = f"{MORE} images, {100 * noise:g} % noise: forward correction beats e = 0.6"
        compare(claim, "accuracy", wide(noise, "forward"), wide(noise, smoothed(0.6)), 1)
    for noise in NOISES:
        where = f"{data.TRAIN} images, {100 * noise:g} % noise"
        pair = (named(noise, 0.1), named(noise, 0.0))
        compare(f"{where}: e = 0.1 lowers the ECE", "ece", *pair, -1)
    pair = (named(NOISES[-1], 0.4), named(NOISES[-1], 0.1))
    where = f"{data.TRAIN} images, {100 * NOISES[-1]:g} % noise"
    compare(f"{where}: the ECE rises again from e = 0.1 to 0.4", "ece", *pair, 1)
    return found


def draw(results: Results) -> Any:
    """Show accuracy and calibration error over the amount of smoothing."""
    figure = new_figure(8.6, 3.6)
    panels = figure.subplots(1, 2)
    for noise in NOISES:
        for axes, name, words in zip(
            panels, ("accuracy", "ece"), ("accuracy (%)", "ECE (%)"), strict=True
        ):
            values = np.stack([results.values(named(noise, e), name) for e in EPSILONS], axis=1)
            label = f"{100 * noise:g} % wrong labels"
            plots.sweep(EPSILONS, 100 * values, label=label, ylabel=words, axes=axes)
    floor = [100 * results.mean(named(0.0, e), "floor") for e in EPSILONS]
    panels[1].plot(EPSILONS, floor, color="0.4", linestyle=":", label="floor, clean")
    panels[1].legend(frameon=False, fontsize=9)
    figure.suptitle(f"{data.TRAIN} training images, as trained", fontsize=10)
    return figure


STUDY = Study(
    "accuracy",
    measure,
    tables,
    findings,
    draw,
    "Accuracy and calibration error over the amount of smoothing, for three amounts of label "
    "noise.",
)
