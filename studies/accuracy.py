"""Accuracy and calibration as trained, with clean and with noisy labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import softtargets as st
from softtargets import plots
from softtargets.demo import data
from softtargets.plots.style import new_figure, series
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
    """Show what smoothing changes in accuracy, in both designs, and the calibration error."""
    figure = new_figure(10.4, 3.6)
    small, large, error = figure.subplots(1, 3)
    for row, noise in enumerate(NOISES):
        label = f"{100 * noise:g} % wrong labels"
        found = [
            [results.values(named(noise, e), m) for e in EPSILONS] for m in ("accuracy", "ece")
        ]
        accuracies, errors = (100 * np.stack(values, axis=1) for values in found)
        changes = accuracies - accuracies[:, :1]
        plots.sweep(
            EPSILONS, changes, label=label, ylabel="change in accuracy (points)", axes=small
        )
        plots.sweep(EPSILONS, errors, label=label, ylabel="ECE (%)", axes=error)
        if noise not in MORE_NOISES:
            large.errorbar([], [], **series(row))  # so that the others keep their colours
            continue
        base = results.values(wide(noise, smoothed(0)), "accuracy")
        found = [results.values(wide(noise, smoothed(e)), "accuracy") for e in MORE_EPSILONS]
        changes = 100 * (np.stack(found, axis=1) - base[:, None])
        plots.sweep(MORE_EPSILONS, changes, label=label, ylabel="", axes=large)
        corrected = 100 * np.mean(results.values(wide(noise, "forward"), "accuracy") - base)
        large.axhline(corrected, color=series(row)["color"], linestyle="--")
    floor = [100 * results.mean(named(0.0, e), "floor") for e in EPSILONS]
    error.plot(EPSILONS, floor, color="0.4", linestyle=":", label="floor, right labels")
    for axes in (small, large):
        axes.axhline(0, color="0.4", linestyle=":", linewidth=1)
    large.plot([], [], color="0.4", linestyle="--", label="forward correction")
    small.get_legend().remove()
    large.legend(frameon=False, fontsize=8, loc=(0.04, 0.5))
    error.legend(frameon=False, fontsize=8)
    for axes, count in ((small, data.TRAIN), (large, MORE), (error, data.TRAIN)):
        axes.set_title(f"{count} training images", fontsize=10)
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
