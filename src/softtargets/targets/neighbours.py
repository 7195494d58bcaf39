"""Targets that a label shares with its neighbours, on an image, in a volume or in time."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from softtargets._array import errors
from softtargets._array.axes import check_axis
from softtargets._array.checks import (
    check_count,
    check_labels,
)
from softtargets._array.dtypes import EPSILON
from softtargets._array.kinds import is_numpy
from softtargets._array.namespaces import beside, is_number, namespace_of
from softtargets._array.operations import quotient
from softtargets._array.scalars import check_real, check_share, widest_floating
from softtargets._array.sums import ordered_sums
from softtargets.targets.pairs import as_tuple
from softtargets.targets.parts import Labels
from softtargets.typing import Array, Namespace


def neighbour_kernel(
    label_smoothing: float, num_axes: int = 2, *, size: int = 3, sigma: float = 1.0
) -> Any:
    """Return a kernel that keeps 1 - e at its centre and shares e among the neighbours.

        w = 1 - e at the centre,    w = e exp(-d^2 / (2 sigma^2)) / sum over neighbours

    at the distance d from it.

    Parameters
    ----------
    label_smoothing : number
        The fraction e, in [0, 1], that neighbours get. SVLS is 0.5.
    num_axes : int, default 2
        2 for images, 3 for volumes, 1 for sequences.
    size : int, default 3
        The number of entries along each axis, odd and at least 3.
    sigma : number, default 1
        The standard deviation, in pixels or steps, above 0.

    Returns
    -------
    numpy.ndarray
        ``num_axes`` axes of ``size`` entries, which sum to 1, in float64.

    Raises
    ------
    TypeError
        If a number is none.
    ValueError
        If a number is out of range, or ``size`` is even.

    Examples
    --------
    >>> import softtargets as st
    >>> st.neighbour_kernel(0.1, num_axes=1)
    array([0.05, 0.9 , 0.05])
    >>> st.neighbour_kernel(0.5).round(4)
    array([[0.0472, 0.0778, 0.0472],
           [0.0778, 0.5   , 0.0778],
           [0.0472, 0.0778, 0.0472]])

    References
    ----------
    M. Islam and B. Glocker, "Spatially Varying Label Smoothing: Capturing Uncertainty from Expert
    Annotations", 2021.
    """
    fraction = check_share(label_smoothing, "label_smoothing")
    axes, width = check_count(num_axes, "num_axes"), check_count(size, "size")
    if width < 3 or width % 2 == 0:
        errors.bad_value("size", "be odd and at least 3", width)
    scale = check_real(sigma, "sigma", positive=True)
    squares = np.sum(np.square(np.indices((width,) * axes) - width // 2), axis=0)
    centre = (width // 2,) * axes
    squares[centre] = 1
    # Relative to the nearest neighbours, which a small sigma leaves something then.
    weights = np.exp((1 - squares) / (2 * scale**2))
    weights[centre] = 0.0
    weights *= fraction / np.sum(weights)
    weights[centre] = 1 - fraction
    return weights


def neighbour_part(
    labels: Array, num_classes: int, kernel: Any, axes: Sequence[int] | None, ignore_index: int
) -> Labels:
    """Return one label for each entry of the kernel: the labels that lie there."""
    xp = namespace_of(labels, "labels")
    sizes, entries = _read(kernel)
    index, kept, bad = check_labels(labels, num_classes, ignore_index, "labels")
    places = _places(tuple(labels.shape), len(sizes), axes)
    shifts = [tuple(o - n // 2 for o, n in zip(at, sizes, strict=True)) for at, _ in entries]
    wide = widest_floating(xp)
    share = xp.asarray([weight for _, weight in entries], dtype=wide, **beside(labels))
    near = None
    if kept is not None:
        near = _at(xp, kept, places, shifts) & kept[..., None]
        share = xp.where(near, share, 0.0)
        mass = ordered_sums(xp, share)
        share = quotient(xp, share, xp.where(mass == 0, 1.0, mass))
    return Labels(
        labels=_at(xp, index, places, shifts),
        kept=near,
        bad=None if bad is None else _at(xp, bad, places, shifts),
        weight=share,
        base=share,
    )


def _read(kernel: Any) -> tuple[tuple[int, ...], list[tuple[Any, float]]]:
    """Return the sizes of a kernel and its positive entries, each with its place.

    Plain numbers all the way, which compilers take as constants.
    """
    values = kernel.tolist() if is_numpy(kernel) else kernel
    sizes: list[int] = []
    entries: list[tuple[tuple[int, ...], Any]] = [((), values)]
    while isinstance(entries[0][1], list | tuple):
        sizes.append(len(entries[0][1]))
        if sizes[-1] % 2 == 0 or any(not _has_size(value, sizes[-1]) for _, value in entries):
            rule = "have one odd size along each axis"
            errors.bad_value("kernel", rule, f"{sizes[-1]} entries along axis {len(sizes) - 1}")
        entries = [((*at, j), part) for at, value in entries for j, part in enumerate(value)]
    if not sizes:
        rule = "be numbers on the host, a list or a NumPy array, with an axis at least"
        errors.bad_type("kernel", rule, type(kernel).__name__)
    for at, value in entries:
        if not is_number(value):
            errors.bad_type("kernel", "hold numbers", type(value).__name__)
        if not 0 <= value < math.inf:
            errors.bad_value("kernel", "be finite and at least 0", f"{value} at position {at}")
    total = sum([value for _, value in entries])
    if abs(total - 1) > EPSILON["float64"] ** 0.5:
        errors.bad_value("kernel", "sum to 1", total)
    return tuple(sizes), [(at, float(value)) for at, value in entries if value > 0]


def _has_size(value: Any, size: int) -> bool:
    return isinstance(value, list | tuple) and len(value) == size


def _places(shape: tuple[int, ...], count: int, axes: Sequence[int] | None) -> tuple[int, ...]:
    """Return the axes of the labels along which the kernel lies, by default the last ones."""
    rank = len(shape)
    if count > rank:
        errors.bad_value("labels", f"have {count} axes at least, those of kernel", f"shape {shape}")
    if axes is None:
        return tuple(range(rank - count, rank))
    places = tuple(check_axis(axis, rank) for axis in as_tuple(axes, "axes"))
    if len(places) != count or len(set(places)) < count:
        errors.bad_value("axes", f"be {count} axes, those of kernel", axes)
    return places


def _at(xp: Namespace, array: Array, places: tuple[int, ...], shifts: Sequence[Any]) -> Array:
    """Return ``array`` with a last axis of the values that lie at each shift, at the edge those of
    the edge.
    """
    moved = []
    for shift in shifts:
        near = array
        for place, step in zip(places, shift, strict=True):
            if step:
                size = int(array.shape[place])
                at = xp.arange(size, **beside(array)) + step
                at = xp.where(at < 0, 0, xp.where(at < size, at, size - 1))
                near = xp.take(near, at, axis=place)
        moved.append(near)
    return xp.stack(moved, axis=-1)
