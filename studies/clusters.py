"""Are the clusters of classes tighter? By some measures, and not by others."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator

import softtargets as st
from softtargets import plots
from softtargets.demo import data, network
from softtargets.plots.style import new_figure, series, tidy
from softtargets.typing import Array
from studies.converged import EPSILONS, LOOKS, converged
from studies.findings import Finding, differs, markdown
from studies.measures import keyed, smoothed
from studies.results import Measured, Results
from studies.study import Settings, Study

BASE, CHANGED = 0.0, 0.1
PLACES = {"train": "Training set", "test": "Test set"}
#: The classes of the picture, and how many images of each it shows.
CLASSES, IMAGES = (3, 5, 8), 20
#: Title, digits, and which way is tighter, or more regular.
MEASURES = {
    "nc1": ("NC1", 3, -1),
    "projection": ("projection, within / between", 3, -1),
    "sides": ("projection, unequal sides", 3, -1),
    "scatter": ("tr Sw / tr Sb", 3, -1),
    "cosine": ("cosine distance within", 3, -1),
    "r2": ("class separation R2", 3, 1),
    "erasure": ("erasure index", 4, -1),
}


def measure(seed: int, settings: Settings) -> Measured:
    """Return the geometry of each network at three moments, in training and in the test."""
    done = converged(seed, settings)
    found: Measured = {}
    for look in LOOKS:
        weights = done.weights[done.moments.index(settings.steps(look))]
        for where, part in (("train", done.parts.train), ("test", done.parts.test)):
            *_, features, logits = network.forward(weights, part.images)
            matrix, _ = network.layers(weights)[-1]
            for index, e in enumerate(EPSILONS):
                mine = features[index].astype(np.float64)
                rows = np.swapaxes(matrix[index], 0, 1).astype(np.float64)
                numbers = geometry(mine, logits[index].astype(np.float64), rows, part.labels)
                found |= keyed(smoothed(e), numbers.items(), f"{where} {look} ")
                if look == LOOKS[-1] and e in (BASE, CHANGED):
                    shown = points(mine, rows, part.labels)
                    found |= keyed(f"picture, {smoothed(e)}", shown, f"{where} ")
    return found


def points(features: Array, weight: Array, labels: Array) -> Iterator[tuple[str, float]]:
    """Yield the coordinates of a few images of three classes, and of the weights."""
    found = st.analysis.penultimate_projection(features, weight, CLASSES)
    for digit, corner in zip(CLASSES, found.corners, strict=True):
        images = found.points[labels == digit][:IMAGES]
        for name, (x, y) in zip(names_of(digit), (corner, *images), strict=True):
            yield f"{name} x", float(x)
            yield f"{name} y", float(y)


def names_of(digit: int) -> list[str]:
    """Return what is shown of a class: its weights, and some images."""
    return [f"weights of {digit}", *(f"{digit} number {n}" for n in range(IMAGES))]


def geometry(features: Array, logits: Array, weight: Array, labels: Array) -> dict[str, float]:
    """Return every measure of one network."""
    collapse = st.analysis.neural_collapse(features, labels, data.NUM_CLASSES)
    tight = st.analysis.projection_tightness(features, labels, weight)
    apart = st.analysis.class_separation(features, labels, data.NUM_CLASSES)
    return {
        "nc1": float(collapse.nc1),
        "projection": float(tight.ratio),
        "sides": float(tight.side_variation),
        "scatter": float(collapse.scatter),
        "cosine": float(apart.within),
        "r2": float(apart.r2),
        "erasure": float(st.analysis.erasure_index(logits, labels).means),
    }


def tables(results: Results) -> Sequence[str]:
    """Return a table for the training set and one for the test set."""
    lines: list[str] = []
    for where, title in PLACES.items():
        header = ["measure", *(f"e = {e:g}, {n} steps" for n in LOOKS for e in (BASE, CHANGED))]
        rows = [
            [
                title_of,
                *(
                    results.cell(smoothed(e), f"{where} {look} {name}", digits)
                    for look in LOOKS
                    for e in (BASE, CHANGED)
                ),
            ]
            for name, (title_of, digits, _) in MEASURES.items()
        ]
        lines += [f"{title}:", "", *markdown(header, rows), ""]
    return lines


def findings(results: Results) -> Sequence[Finding]:
    """Judge each measure at the end of training, and those that may disagree at its beginning."""
    first, *_, last = LOOKS
    asked = [("train", last, name) for name in MEASURES]
    asked += [("test", last, name) for name in ("nc1", "projection", "sides", "erasure")]
    asked += [("train", first, name) for name in ("nc1", "scatter", "cosine", "r2")]
    found = []
    for where, look, name in asked:
        title, digits, sign = MEASURES[name]
        word = "falls" if sign < 0 else "rises"
        place = {"train": "training", "test": "test"}[where]
        difference = results.difference(f"{where} {look} {name}", smoothed(CHANGED), smoothed(BASE))
        claim = f"{title} {word}, {place} set, {look} steps"
        found.append(differs(claim, difference, sign, digits))
    return found


def draw(results: Results) -> Any:
    """Show projections of the first seed, and each measure relative to that without smoothing."""
    figure = new_figure(10.4, 6.4)
    grid = figure.add_gridspec(2, 4)
    for column, (where, e) in enumerate(itertools.product(PLACES, (BASE, CHANGED))):
        axes = figure.add_subplot(grid[0, column])
        draw_points(axes, results, where, e)
        axes.set_title(f"{PLACES[where]}, {smoothed(e)}", fontsize=10)
    left = figure.add_subplot(grid[1, :2])
    draw_measures(left, figure.add_subplot(grid[1, 2:], sharey=left), results)
    return figure


def draw_points(axes: Any, results: Results, where: str, label_smoothing: float) -> None:
    """Show three classes of the first seed in the plane of their weights."""
    condition = f"picture, {smoothed(label_smoothing)}"
    rows = np.array(
        [
            [
                [results.values(condition, f"{where} {name} {axis}")[0] for axis in "xy"]
                for name in names_of(digit)
            ]
            for digit in CLASSES
        ]
    )
    labels = np.repeat(CLASSES, IMAGES)
    plots.projection(rows[:, 1:].reshape(-1, 2), labels, corners=rows[:, 0], axes=axes)
    axes.set(xlabel="", ylabel="")
    if (where, label_smoothing) == ("train", CHANGED):  # where there is most room
        small = {"fontsize": 8, "handlelength": 1, "borderaxespad": 0}
        axes.legend(loc="upper left", frameon=False, **small)
    else:
        axes.get_legend().remove()


def draw_measures(left: Any, right: Any, results: Results) -> None:
    """Show each measure relative to that without smoothing, on both sets of images."""
    panels = (left, right)
    for axes, where in zip(panels, PLACES, strict=True):
        for row, name in enumerate(("nc1", "projection", "scatter", "cosine")):
            points = [f"{where} {look} {name}" for look in LOOKS]
            ratio = np.stack(
                [results.values(smoothed(CHANGED), p) / results.values(smoothed(BASE), p)
                 for p in points]
            )  # fmt: skip
            error = np.std(ratio, axis=1, ddof=1) / results.seeds**0.5
            look = {**series(row), "capsize": 3, "label": MEASURES[name][0]}
            axes.errorbar(LOOKS, np.mean(ratio, axis=1), error, **look)
        axes.axhline(1, color="0.4", linestyle=":", linewidth=1)
        axes.set(xscale="log", yscale="log", xlabel="training step", xticks=LOOKS)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_title(f"{PLACES[where]}, {results.seeds} seeds", fontsize=10)
        tidy(axes)
    panels[0].set_ylabel(f"e = {CHANGED:g} relative to e = {BASE:g}")
    panels[0].legend(frameon=False, fontsize=9)


STUDY = Study(
    "clusters",
    measure,
    tables,
    findings,
    draw,
    "Three classes in the plane of their weights, with and without smoothing; and measures of "
    "tightness with smoothing, relative to those without, over training: some fall "
    "below 1, others stay above it at first.",
)
