"""What one temperature does after smoothing, and instead of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from softtargets import plots
from softtargets.analysis import temperature_for_smoothing
from softtargets.demo.data import NUM_CLASSES
from softtargets.demo.tables import over_seeds
from softtargets.plots.style import new_figure
from studies.findings import Finding, differs, markdown, points_differ
from studies.results import Measured, Results
from studies.study import Settings, Study
from studies.sweep import EPSILONS, NOISES, named, sweep

KEPT = ("ece", "nll", "accuracy", "floor")
#: The amount of smoothing that the claims are about.
USUAL = 0.1


def measure(seed: int, settings: Settings) -> Measured:
    """Return errors before and after the temperature, and the temperature."""
    names = {"temperature", *KEPT, *(f"scaled {name}" for name in KEPT)}
    return {key: value for key, value in sweep(seed, settings).items() if key[1] in names}


def saturated(label_smoothing: float, accuracy: float) -> str:
    """Return the closed form for predictions that are all as sure as they can get."""
    if label_smoothing == 0:
        return "infinite"
    if not 1 / NUM_CLASSES < accuracy < 1:
        return "none"
    return f"{temperature_for_smoothing(label_smoothing, NUM_CLASSES, accuracy):.2f}"


def tables(results: Results) -> Sequence[str]:
    """Return a table for each amount of noise."""
    header = ["e", "temperature", "if saturated", "ECE %", "with T", "floor %", "NLL", "with T"]
    lines: list[str] = []
    for noise in NOISES:
        rows = []
        for e in EPSILONS:
            name = named(noise, e)
            rows.append(
                [
                    f"{e:g}",
                    results.cell(name, "temperature", 2),
                    saturated(e, results.mean(name, "accuracy")),
                    results.cell(name, "ece", 1, 100),
                    results.cell(name, "scaled ece", 1, 100),
                    f"{100 * results.mean(name, 'scaled floor'):.1f}",
                    results.cell(name, "nll", 3),
                    results.cell(name, "scaled nll", 3),
                ]
            )
        title = f"{100 * noise:g} % of the training labels wrong:"
        lines += [title, "", *markdown(header, rows), ""]
    return lines


def findings(results: Results) -> Sequence[Finding]:
    """Judge temperature after smoothing, and against it."""
    found = []
    for noise in NOISES:
        where = f"{100 * noise:g} % noise"
        smooth, plain = named(noise, USUAL), named(noise, 0.0)
        below_one = over_seeds(results.values(smooth, "temperature") - 1)
        claim = f"{where}: after e = {USUAL:g} the fitted temperature is below 1"
        found.append(differs(claim, below_one, -1, 2))
        found.append(
            differs(
                f"{where}: with a temperature each, e = {USUAL:g} has a lower NLL than 0",
                results.difference("scaled nll", smooth, plain),
                -1,
                3,
                unit="nats",
            )
        )
        alone = over_seeds(results.values(plain, "scaled ece") - results.values(smooth, "ece"))
        claim = f"{where}: temperature without smoothing has a lower ECE than e = {USUAL:g} alone"
        found.append(points_differ(claim, alone, -1))
    return found


def draw(results: Results) -> Any:
    """Show calibration error before and after, for each amount of noise."""
    figure = new_figure(9.6, 3.4)
    panels = figure.subplots(1, len(NOISES), sharey=True)
    for axes, noise in zip(panels, NOISES, strict=True):
        for name, label in (("ece", "as trained"), ("scaled ece", "with one temperature")):
            values = [results.values(named(noise, e), name) for e in EPSILONS]
            plots.sweep(
                EPSILONS, 100 * np.stack(values, axis=1), label=label, ylabel="ECE (%)", axes=axes
            )
        floor = [100 * results.mean(named(noise, e), "scaled floor") for e in EPSILONS]
        axes.plot(EPSILONS, floor, color="0.4", linestyle=":", label="floor")
        axes.set_title(f"{100 * noise:g} % wrong labels", fontsize=10)
        axes.set_ylim(bottom=0)
    for axes in panels[1:]:
        axes.set_ylabel("")
        axes.get_legend().remove()
    panels[0].legend(frameon=False, fontsize=9)
    return figure


STUDY = Study(
    "temperature",
    measure,
    tables,
    findings,
    draw,
    "Calibration error over the amount of smoothing, before and after one temperature was fitted.",
)
