"""Features in a plane, and targets as bars."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from softtargets._array import errors
from softtargets.plots.style import COLOURS, HATCHES, MIDDLE, new_figure, numbers, series, tidy
from softtargets.targets.value import Targets


def projection(
    points: Any,
    labels: Any,
    *,
    corners: Any = None,
    classes: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    axes: Any = None,
) -> Any:
    """Draw what :func:`~softtargets.analysis.penultimate_projection` returns, by class.

    Parameters
    ----------
    points : array
        Shape ``(N, 2)``.
    labels : array of int
        Shape ``(N,)``: the classes of the points.
    corners : array, optional
        Shape ``(classes, 2)``: the weights of the classes, drawn as a triangle.
    classes : sequence of int, optional
        Which classes to draw, in the order of the corners. By default all that there are.
    names : sequence of str, optional
        What to call them; by default their numbers.
    axes : axes of matplotlib, optional
        Where to draw.

    Returns
    -------
    axes of matplotlib
        With one scale for both axes.

    Raises
    ------
    TypeError
        If an argument is not of numbers on the host.
    ValueError
        If shapes do not fit, or there are more or fewer names than classes.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from softtargets import plots
    >>> axes = plots.projection([[0.0, 0.1], [1.0, 0.0], [0.5, 0.9]], [4, 7, 9])
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['4', '7', '9']
    """
    points = numbers(points, "points", None, 2)
    labels = numbers(labels, "labels", len(points))
    found = [int(k) for k in np.unique(labels)] if classes is None else list(classes)
    words = [str(k) for k in found] if names is None else list(names)
    if len(words) != len(found):
        errors.bad_value("names", f"be {len(found)} names, one for each class", len(words))
    if corners is not None:
        corners = numbers(corners, "corners", len(found), 2)
    axes = new_figure(4.4, 4.0).add_subplot() if axes is None else axes
    for row, (k, word) in enumerate(zip(found, words, strict=True)):
        style = series(row + 1)
        mine = points[labels == k]
        axes.scatter(*mine.T, s=18, c=style["color"], marker=style["marker"], alpha=0.65,
                     linewidths=0, label=word)  # fmt: skip
        if corners is not None:
            axes.scatter(*corners[row], s=110, facecolors="white", edgecolors=style["color"],
                         marker=style["marker"], linewidths=1.8, zorder=3)  # fmt: skip
    if corners is not None:
        around = np.concatenate([corners, corners[:1]])
        axes.plot(*around.T, color=MIDDLE, linewidth=0.8, linestyle=":", label="weights")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xlabel="first coordinate", ylabel="second coordinate")
    tidy(axes).legend(frameon=False, fontsize=9)
    return axes


def targets(
    rows: Any,
    *,
    names: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    log: bool = False,
    axes: Any = None,
) -> Any:
    """Draw a few targets as bars over the classes, beside each other.

    Parameters
    ----------
    rows : Targets or array
        A few rows of K classes, shape ``(rows, K)``.
    names : sequence of str, optional
        What to call the rows; by default "row 0", "row 1", ...
    classes : sequence of str, optional
        What to call the classes; by default their numbers.
    log : bool, default False
        Whether the masses are on a logarithmic scale, on which small ones can be seen.
    axes : axes of matplotlib, optional
        Where to draw.

    Returns
    -------
    axes of matplotlib

    Raises
    ------
    TypeError
        If the rows are not of numbers on the host.
    ValueError
        If shapes do not fit, or there are more or fewer names than rows or classes.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> from softtargets import plots
    >>> t = st.Targets.from_labels(np.array([1, 1]), 3)
    >>> axes = plots.targets(t.smooth(np.array([0.0, 0.3])), names=["hard", "smoothed"])
    >>> [round(float(bar.get_height()), 2) for bar in axes.patches]
    [0.0, 1.0, 0.0, 0.1, 0.8, 0.1]
    """
    dense = rows.to_dense() if isinstance(rows, Targets) else rows
    q = numbers(dense, "rows", None, None)
    count, size = q.shape
    words = [f"row {i}" for i in range(count)] if names is None else list(names)
    if len(words) != count:
        errors.bad_value("names", f"be {count} names, one for each row", len(words))
    ticks = [str(k) for k in range(size)] if classes is None else list(classes)
    if len(ticks) != size:
        errors.bad_value("classes", f"be {size} names, one for each class", len(ticks))
    if axes is None:
        axes = new_figure(
            float(np.clip(1.5 + 0.18 * size * min(count, 3), 4, 9)), 3.2
        ).add_subplot()
    width = 0.8 / max(count, 1)
    places = np.arange(size)
    for row, word in enumerate(words):
        axes.bar(
            places + (row - (count - 1) / 2) * width,
            q[row],
            width=0.92 * width,
            color=COLOURS[(row + 1) % len(COLOURS)],
            hatch=HATCHES[row % len(HATCHES)],
            edgecolor="white",
            linewidth=0,
            label=word,
        )
    if log and np.any(q > 0):
        axes.set_yscale("log")
        axes.set_ylim(bottom=np.min(q[q > 0]) / 3)  # on this scale bars begin nowhere
    axes.set_xticks(places if size <= 30 else places[:: size // 15])
    axes.set_xticklabels(ticks if size <= 30 else ticks[:: size // 15])
    axes.set(xlabel="class", ylabel="mass")
    tidy(axes).legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=9)
    return axes
