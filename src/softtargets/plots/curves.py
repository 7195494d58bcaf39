"""Numbers over the steps of training, and over the amount of smoothing."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from softtargets._array import errors
from softtargets.analysis import optimal_logit_gap
from softtargets.plots.style import COLOURS, MIDDLE, new_figure, numbers, series, tidy


def logit_gap(steps: Any, gaps: Mapping[float, Any], num_classes: int, *, axes: Any = None) -> Any:
    """Draw the logit gap over training, and where each closed form lies.

    Parameters
    ----------
    steps : array
        Shape ``(S,)``: after how many steps the gaps were measured, above 0.
    gaps : mapping of float to array
        For each label smoothing the mean gaps, shape ``(S,)``, or ``(runs, S)`` for several runs:
        then their mean is drawn, in a band from the least to the largest.
    num_classes : int
        The number of classes K, for :func:`~softtargets.analysis.optimal_logit_gap`.
    axes : axes of matplotlib, optional
        Where to draw.

    Returns
    -------
    axes of matplotlib

    Raises
    ------
    TypeError
        If an argument is not of numbers on the host.
    ValueError
        If shapes do not fit, or a smoothing is outside [0, 1].
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from softtargets import plots
    >>> axes = plots.logit_gap([1, 10, 100], {0.1: [0.2, 2.0, 4.4], 0.0: [0.2, 2.5, 7.0]}, 10)
    >>> axes.get_legend_handles_labels()[1]
    ['e = 0', 'e = 0.1', 'closed form']
    """
    x = numbers(steps, "steps", None)
    if not gaps:
        errors.bad_value("gaps", "have an entry", "an empty mapping")
    rows = []
    for epsilon in sorted(gaps):
        value = np.asarray(gaps[epsilon])
        shape = (len(x),) if value.ndim == 1 else (None, len(x))
        runs = np.atleast_2d(numbers(gaps[epsilon], "gaps", *shape))
        rows.append((epsilon, runs, optimal_logit_gap(epsilon, num_classes)))
    axes = new_figure(5.2, 3.8).add_subplot() if axes is None else axes
    for row, (epsilon, runs, exact) in enumerate(rows):
        style = series(row)
        middle = np.mean(runs, axis=0)
        every = max(1, len(x) // 8)
        axes.plot(x, middle, **style, linewidth=1.6, markersize=4.5, markevery=every,
                  label=f"e = {epsilon:g}")  # fmt: skip
        if len(runs) > 1:
            band = (np.min(runs, axis=0), np.max(runs, axis=0))
            axes.fill_between(x, *band, color=style["color"], alpha=0.2, linewidth=0)
        if math.isfinite(exact):
            axes.plot(x[[0, -1]], [exact, exact], color=style["color"], linestyle="--", linewidth=1)
    axes.plot([], [], color=MIDDLE, linestyle="--", linewidth=1, label="closed form")
    axes.set(xlabel="training step", ylabel="logit gap (nats)", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    tidy(axes).legend(loc="upper left", frameon=False, fontsize=9)
    return axes


def sweep(
    label_smoothing: Any,
    values: Any,
    *,
    errors: Any = None,
    floor: Any = None,
    chosen: float | None = None,
    label: str | None = None,
    ylabel: str = "held-out loss (nats)",
    axes: Any = None,
) -> Any:
    """Draw a number over the amount of label smoothing: accuracy, loss, calibration error.

    Call it again with the same ``axes`` to add a series.

    Parameters
    ----------
    label_smoothing : array
        Shape ``(S,)``: the fractions e.
    values : array
        Shape ``(S,)``, or ``(runs, S)``: then the mean is drawn, with its standard error unless
        ``errors`` says otherwise.
    errors : array, optional
        Shape ``(S,)``: standard errors.
    floor : number or array, optional
        Shape ``()`` or ``(S,)``: what a perfect model would have, such as the noise floor of a
        calibration error.
    chosen : number, optional
        A smoothing to mark.
    label, ylabel : str, optional
        The names of the series and of the number.
    axes : axes of matplotlib, optional
        Where to draw.

    Returns
    -------
    axes of matplotlib

    Raises
    ------
    TypeError
        If an argument is not of numbers on the host.
    ValueError
        If shapes do not fit.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from softtargets import plots
    >>> axes = plots.sweep([0.0, 0.05, 0.1], [0.56, 0.55, 0.58], errors=[0.02, 0.01, 0.01])
    >>> axes.get_ylabel()
    'held-out loss (nats)'
    """
    x = numbers(label_smoothing, "label_smoothing", None)
    flat = np.ndim(values) == 1
    runs = np.atleast_2d(numbers(values, "values", *((len(x),) if flat else (None, len(x)))))
    spread = None
    if errors is not None:
        spread = numbers(errors, "errors", len(x))
    elif len(runs) > 1:
        spread = np.std(runs, axis=0, ddof=1) / np.sqrt(len(runs))
    if floor is not None:
        floor = numbers(floor, "floor", *(() if np.ndim(floor) == 0 else (len(x),)))
    axes = new_figure(4.6, 3.4).add_subplot() if axes is None else axes
    order = np.argsort(x)
    style = series(len(axes.containers))
    axes.errorbar(
        *(x[order], np.mean(runs, axis=0)[order], None if spread is None else spread[order]),
        color=style["color"],
        marker=style["marker"],
        markersize=5,
        linewidth=1.4,
        capsize=3,
        label=label,
    )
    if floor is not None:
        level = np.broadcast_to(floor, x.shape)[order]
        axes.plot(x[order], level, color=MIDDLE, linestyle=":", linewidth=1.2, label="floor")
    if chosen is not None:
        name = f"chosen: {chosen:g}"
        axes.axvline(chosen, color=COLOURS[2], linestyle="--", linewidth=1.2, label=name)
    axes.set(xlabel="label smoothing e", ylabel=ylabel)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9)
    return tidy(axes)
