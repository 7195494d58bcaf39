"""The smoothed loss has a floor that no model goes below, and training reaches it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import softtargets as st
from softtargets.plots.style import new_figure, series, tidy
from studies.converged import EPSILONS, converged
from studies.findings import NOT_SHOWN, SHOWN, Finding, below, markdown
from studies.measures import keyed, logits_of, smoothed
from studies.results import Measured, Results
from studies.study import Settings, Study

#: How near the training loss has to come to its minimum, in nats.
MARGIN = 0.001
#: Rounding of a mean in float64 may fall short of the minimum by so much, and no more.
ROUNDING = 1e-12
BEGIN = "excess after "


def measure(seed: int, settings: Settings) -> Measured:
    """Return losses and their minima, on the training set over time and on the test set."""
    done = converged(seed, settings)
    test = done.parts.test
    found = {}
    for index, (e, logits) in enumerate(
        zip(EPSILONS, logits_of(done.weights[-1], test.images), strict=True)
    ):
        for step, reports in zip(done.moments, done.reports, strict=True):
            found[smoothed(e), f"{BEGIN}{step}"] = float(reports[index].excess)
        last = done.reports[-1][index]
        numbers = {name: getattr(last, name) for name in ("loss", "minimum", "excess", "nll")}
        found |= keyed(smoothed(e), numbers.items())
        held_out = st.analysis.loss_report(logits, test.labels, label_smoothing=e)
        numbers = {name: getattr(held_out, name) for name in ("loss", "excess", "nll")}
        found |= keyed(smoothed(e), numbers.items(), "test ")
    return found


def tables(results: Results) -> Sequence[str]:
    """Return the table of losses at the end."""
    header = ["e", "training loss", "its minimum", "excess", "NLL", "test loss", "excess", "NLL"]
    names = ("loss", "minimum", "excess", "nll", "test loss", "test excess", "test nll")
    digits = (4, 4, 6, 4, 4, 4, 4)
    rows = []
    for e in EPSILONS:
        cells = []
        for name, places in zip(names, digits, strict=True):
            text = results.cell(smoothed(e), name, places)
            cells.append(text.partition(" ")[0] if name == "minimum" else text)
        rows.append([f"{e:g}", *cells])
    return markdown(header, rows)


def findings(results: Results) -> Sequence[Finding]:
    """Judge whether the floor is reached, and never passed."""
    found = [
        below(
            f"With e = {e:g} the training loss ends within {MARGIN} nats of the minimum",
            results.values(smoothed(e), "excess"),
            MARGIN,
        )
        for e in EPSILONS
        if e > 0
    ]
    least = min(
        float(np.min(results.values(smoothed(e), name)))
        for e in EPSILONS
        for name in (*results.measures(smoothed(e), BEGIN), "test excess")
    )
    verdict = SHOWN if least >= -ROUNDING else NOT_SHOWN
    claim = "No loss is below its minimum, at any moment, in training or in the test"
    return [*found, Finding(claim, f"smallest excess {least:.2g} nats", verdict)]


def draw(results: Results) -> Any:
    """Show what is left above the minimum, over training."""
    axes = new_figure(5.2, 3.6).add_subplot()
    for row, e in enumerate(EPSILONS):
        names = results.measures(smoothed(e), BEGIN)
        steps = [int(name.removeprefix(BEGIN)) for name in names]
        middle = [results.mean(smoothed(e), name) for name in names]
        axes.plot(steps, middle, **series(row), markevery=4, markersize=4.5, label=smoothed(e))
    axes.set(xscale="log", yscale="log", xlabel="training step", ylabel="loss - minimum (nats)")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_title("Excess of the training loss", fontsize=10)
    tidy(axes).legend(frameon=False, fontsize=9)
    return axes.figure


STUDY = Study(
    "floor",
    measure,
    tables,
    findings,
    draw,
    "The excess of the training loss over its minimum falls towards 0 for every amount of "
    "smoothing.",
)
