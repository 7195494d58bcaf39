"""How often predictions are right, over how sure they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from softtargets._array import errors
from softtargets.calibration import ReliabilityCurve
from softtargets.plots.style import COLOURS, MIDDLE, PALE, new_figure, numbers, tidy


def reliability(
    confidence: Any,
    accuracy: Any = None,
    counts: Any = None,
    *,
    interval: tuple[Any, Any] | None = None,
    consistency: tuple[Any, Any] | None = None,
    edges: Any = None,
    axes: Sequence[Any] | None = None,
) -> tuple[Any, Any]:
    """Draw a reliability diagram: how often predictions are right over how sure they are, by bin.

    Below it is a histogram of the predictions, with their mean confidence and their accuracy: if
    the confidence is to the right of the accuracy, the model is surer than it is right.

    Parameters
    ----------
    confidence, accuracy, counts : array
        Shape ``(bins,)``: the mean confidence in each bin, the fraction of its predictions that
        are right, and their number. Bins without any are not drawn, whatever they hold. A
        :class:`~softtargets.calibration.ReliabilityCurve` may take the place of them all, and of
        intervals and edges.
    interval : tuple of two arrays, optional
        Lower and upper ends of an interval for each accuracy, such as Wilson's; drawn as bars.
    consistency : tuple of two arrays, optional
        Between which accuracies a calibrated model would be; drawn as grey boxes. A point outside
        of its box speaks against calibration.
    edges : array, optional
        Shape ``(bins + 1,)``: the edges of the bins in the histogram. Of equal width between 0 and
        1 if not given.
    axes : sequence of two axes of matplotlib, optional
        For the diagram and for the histogram.

    Returns
    -------
    tuple of two axes
        The diagram and the histogram.

    Raises
    ------
    TypeError
        If an argument is not of numbers on the host.
    ValueError
        If shapes do not fit, or no bin has a prediction.
    ImportError
        If matplotlib is not installed.

    Notes
    -----
    A diagram shows where calibration is off, not by how much over all: bins of few predictions
    scatter, which is what the bars and boxes are for. The number of bins changes the picture.

    Examples
    --------
    >>> from softtargets import plots
    >>> diagram, histogram = plots.reliability([0.55, 0.95], [0.5, 0.8], [20, 80])
    >>> [line.get_label() for line in histogram.lines]
    ['mean confidence 0.870', 'accuracy 0.740']
    """
    if isinstance(confidence, ReliabilityCurve):
        curve = confidence
        return reliability(
            curve.confidence,
            curve.accuracy,
            curve.counts,
            interval=(curve.accuracy_low, curve.accuracy_high),
            consistency=(curve.consistent_low, curve.consistent_high),
            edges=curve.edges,
            axes=axes,
        )
    confidence = numbers(confidence, "confidence", None)
    bins = len(confidence)
    accuracy, counts = numbers(accuracy, "accuracy", bins), numbers(counts, "counts", bins)
    pairs = [
        None if pair is None else _pair(pair, name, bins)
        for pair, name in ((interval, "interval"), (consistency, "consistency"))
    ]
    edges = np.linspace(0, 1, bins + 1) if edges is None else numbers(edges, "edges", bins + 1)
    shown = counts > 0
    if not np.any(shown):
        errors.bad_value("counts", "have a bin with predictions", "none")
    if axes is None:
        figure = new_figure(4.2, 5.4)
        grid = figure.add_gridspec(2, 1, height_ratios=(3, 1))
        above = figure.add_subplot(grid[0])
        above.tick_params(labelbottom=False)
        axes = (above, figure.add_subplot(grid[1], sharex=above))
    diagram, histogram = axes
    _draw_points(diagram, confidence, accuracy, shown, pairs)
    _draw_histogram(histogram, confidence, accuracy, counts, edges)
    return diagram, histogram


def _pair(pair: Any, argument: str, bins: int) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        errors.bad_type(argument, "be a pair of arrays", type(pair).__name__)
    low, high = (numbers(part, argument, bins) for part in pair)
    return low, high


def _draw_points(
    axes: Any, confidence: np.ndarray, accuracy: np.ndarray, shown: np.ndarray, pairs: list[Any]
) -> None:
    interval, consistency = pairs
    x, y = confidence[shown], accuracy[shown]
    axes.plot([0, 1], [0, 1], color=MIDDLE, linewidth=1, linestyle=":", label="calibrated")
    if consistency is not None:
        low, high = (part[shown] for part in consistency)
        label = "range if calibrated"
        axes.bar(x, high - low, width=0.03, bottom=low, color=PALE, label=label, zorder=1)
    error = None
    if interval is not None:
        # Wilson's interval holds the accuracy; one that does not must not turn around.
        error = [np.maximum(y - interval[0][shown], 0), np.maximum(interval[1][shown] - y, 0)]
    axes.errorbar(
        *(x, y, error),
        fmt="o-",
        color=COLOURS[1],
        linewidth=1.2,
        markersize=5,
        capsize=2.5,
        elinewidth=1,
        label="measured",
        zorder=2,
    )
    axes.set(ylabel="accuracy", xlim=(0, 1.01), ylim=(0, 1.01))
    tidy(axes).legend(loc="upper left", frameon=False, fontsize=9)


def _draw_histogram(
    axes: Any,
    confidence: np.ndarray,
    accuracy: np.ndarray,
    counts: np.ndarray,
    edges: np.ndarray,
) -> None:
    share = counts / np.sum(counts)
    axes.bar(
        edges[:-1],
        share,
        width=np.diff(edges),
        align="edge",
        color="#9ecae1",
        edgecolor="white",
        linewidth=0.5,
    )
    shown = counts > 0
    means = [float(np.sum(share[shown] * part[shown])) for part in (confidence, accuracy)]
    names, styles = ("mean confidence", "accuracy"), ("--", "-")
    for mean, name, style in zip(means, names, styles, strict=True):
        label = f"{name} {mean:.3f}"
        axes.axvline(mean, color=COLOURS[2], linewidth=1.3, linestyle=style, label=label)
    axes.set(xlabel="confidence", ylabel="share", xlim=(0, 1.01))
    tidy(axes).legend(loc="upper left", frameon=False, fontsize=9)
