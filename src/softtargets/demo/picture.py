"""One picture of the study: reliability, logit gaps, accuracy and calibration error."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from softtargets.analysis import optimal_logit_gap
from softtargets.calibration import CalibrationBins, ReliabilityCurve
from softtargets.demo.data import NUM_CLASSES
from softtargets.demo.needs import need
from softtargets.demo.sentences import focus
from softtargets.demo.study import Study
from softtargets.plots.style import series, tidy

#: A bin with fewer predictions, of all seeds together, is too uncertain to be shown.
FEWEST = 30


def make_figure(study: Study) -> Any:
    """Return the picture as a figure of matplotlib."""
    figures = need("matplotlib.figure", "matplotlib", "the picture")
    figure = figures.Figure(figsize=(12.5, 4.8), layout="constrained")
    grid = figure.add_gridspec(2, 3, width_ratios=(1, 1.1, 1))
    draw_reliability(figure.add_subplot(grid[:, 0]), study)
    draw_gaps(figure.add_subplot(grid[:, 1]), study)
    above = figure.add_subplot(grid[0, 2])
    draw_accuracy(above, study)
    draw_calibration(figure.add_subplot(grid[1, 2], sharex=above), study)
    for axes in figure.axes:
        tidy(axes)
    figure.suptitle(
        f"Label smoothing on handwritten digits: {study.seeds} seeds, {study.moments[-1]} steps"
    )
    return figure


def pooled(bins: Sequence[CalibrationBins]) -> ReliabilityCurve:
    """Return the curve of several seeds together."""
    return functools.reduce(CalibrationBins.merge, bins).reliability()


def draw_reliability(axes: Any, study: Study) -> None:
    """Show accuracy over confidence, as trained and with a temperature."""
    axes.plot([0, 1], [0, 1], color="0.4", linewidth=1, linestyle=":")
    rows = [0, focus(study)] if len(study.epsilons) > 1 else [0]
    for row in rows:
        for name, label, look in (
            ("raw", "as trained", {"linestyle": "-"}),
            ("scaled", "with one temperature", {"linestyle": "--", "markerfacecolor": "white"}),
        ):
            curve = pooled([getattr(r, name).bins for r in study.results[row]])
            shown = curve.counts >= FEWEST
            axes.plot(
                curve.confidence[shown],
                curve.accuracy[shown],
                label=f"smoothing {study.epsilons[row]:g}, {label}",
                **series(row),
                **look,
            )
    axes.set(
        title="Reliability on the test set, all seeds",
        xlabel="confidence (probability of the predicted class)",
        ylabel="accuracy (fraction that is right)",
        xlim=(0, 1.02),
        ylim=(0, 1.02),
    )
    axes.legend(loc="lower right", frameon=False, fontsize=9)


def draw_gaps(axes: Any, study: Study) -> None:
    """Show the logit gap over training, and where each closed form lies."""
    steps = np.array(study.moments)
    for row, epsilon in enumerate(study.epsilons):
        gaps = np.array([result.gaps for result in study.results[row]])
        middle, colour = np.mean(gaps, axis=0), series(row)["color"]
        axes.plot(steps, middle, color=colour, linewidth=1.8)
        axes.fill_between(steps, gaps.min(axis=0), gaps.max(axis=0), color=colour, alpha=0.2)
        exact = optimal_logit_gap(epsilon, NUM_CLASSES)
        if math.isfinite(exact):
            axes.plot(steps[[0, -1]], [exact, exact], color=colour, linestyle="--", linewidth=1)
        end = {"xy": (steps[-1], middle[-1]), "xytext": (5, 0), "textcoords": "offset points"}
        axes.annotate(f"e = {epsilon:g}", color=colour, va="center", **end)
    axes.set(
        title="Logit gap on the training set",
        xlabel="training step",
        ylabel="logit of the label - mean of the others (nats)",
        xscale="log",
        xlim=(1, steps[-1] * 3),
    )
    axes.xaxis.set_major_formatter("{x:g}")
    axes.plot([], [], color="0.4", linewidth=1.8, label="measured (band: all seeds)")
    axes.plot([], [], color="0.4", linewidth=1, linestyle="--", label="log(1 + K (1 - e) / e)")
    axes.legend(loc="upper left", frameon=False, fontsize=9)


def draw_accuracy(axes: Any, study: Study) -> None:
    """Show accuracy over the amount of smoothing."""
    axes.plot(study.epsilons, 100 * study.values("raw.accuracy"), color="0.75", linewidth=0.8)
    draw_measure(axes, study, "raw.accuracy", fmt="o-", color="#000000")
    axes.set(title="Test set (bars: standard deviation)", ylabel="accuracy (%)")
    axes.tick_params(labelbottom=False)


def draw_calibration(axes: Any, study: Study) -> None:
    """Show calibration error over the amount of smoothing, next to its floor."""
    after = {"fmt": "s--", "color": "#0072B2", "markerfacecolor": "white"}
    draw_measure(axes, study, "raw.ece", label="as trained", fmt="o-", color="#D55E00")
    draw_measure(axes, study, "scaled.ece", label="with one temperature", **after)
    floor = 100 * np.mean(study.values("scaled.floor"), axis=1)
    axes.errorbar(study.epsilons, floor, fmt=":", color="0.4", label="if calibration were perfect")
    axes.set(xlabel="label smoothing e", ylabel="calibration error (%)", yscale="log")
    tickers = need("matplotlib.ticker", "matplotlib", "the picture")
    axes.yaxis.set_major_locator(tickers.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(tickers.NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(loc="center right", frameon=False, fontsize=9)


def draw_measure(axes: Any, study: Study, name: str, **look: Any) -> None:
    """Show mean and standard deviation over seeds."""
    values = 100 * study.values(name)
    deviation = np.std(values, axis=1, ddof=1) if study.seeds > 1 else None
    axes.errorbar(study.epsilons, np.mean(values, axis=1), yerr=deviation, capsize=3, **look)
