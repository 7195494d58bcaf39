"""The parts of a plan of mixing beside the arrays that they are applied to: index, share, box."""

from collections.abc import Sequence

from array_api_compat import numpy as host

from softtargets._array import errors
from softtargets._array.axes import check_axis
from softtargets._array.checks import check_fraction, check_values
from softtargets._array.dtypes import FLOATING, INTEGER, dtype_name, index_dtype
from softtargets._array.kinds import is_array, is_numpy
from softtargets._array.namespaces import beside, check_follows, is_number
from softtargets._array.scalars import bring
from softtargets._array.traits import may_look
from softtargets.typing import Amount, Array, Namespace


def partner_index(
    xp: Namespace, partner: Array, like: Array, name: str, shape: tuple[int, ...]
) -> Array:
    """Return the partners of the rows of ``like``, which have ``shape``, as an index beside it."""
    if not is_array(partner) or dtype_name(partner) not in INTEGER or partner.ndim != 1:
        received = f"shape {tuple(partner.shape)}" if is_array(partner) else type(partner).__name__
        errors.bad_type("partner", "be an array of integers of shape (N,)", received)
    count = int(partner.shape[0])
    if not shape or shape[0] != count:
        errors.bad_value(name, f"have {count} rows, the number of partners", f"shape {shape}")
    index = bring(xp, partner, index_dtype(xp, like), like)
    check_follows(xp, like, name, index, "partner")
    # On the host before it went to a device, where looking is not free.
    given, own = (partner, host) if is_numpy(partner) else (index, xp)
    if may_look(given):
        bad = (given < 0) | (given >= count)
        check_values(own, given, "partner", f"be in [0, {count})", bad)
    return index


def share(
    xp: Namespace, lam: Amount, count: int, like: Array, name: str, dtype: object, rank: int
) -> Amount:
    """Return lam beside ``like``: a number, a 0-d array, or one of shape (count, 1, ..., 1)."""
    if is_array(lam) and not is_number(lam) and dtype_name(lam) in FLOATING:
        lam = bring(xp, lam, dtype, like)
    lam = check_fraction(xp, lam, "lam", like, name, [(), (count,)])
    if is_number(lam) or lam.ndim == 0:
        return lam
    return xp.reshape(lam, (count,) + (1,) * (rank - 1))


def inside_box(
    xp: Namespace,
    inputs: Array,
    box: Array,
    sizes: tuple[int, ...],
    axes: Sequence[int] | None,
) -> Array:
    """Return the mask of what lies in the box of each row; it broadcasts against ``inputs``."""
    count, rank = len(sizes), inputs.ndim
    places = tuple(range(rank - count, rank)) if axes is None else as_tuple(axes, "axes")
    places = tuple(check_axis(place, rank) for place in places)
    found = tuple(inputs.shape[place] for place in places)
    if found != sizes or 0 in places or len(set(places)) < count:
        rule = f"be {count} axes of sizes {sizes} after the first"
        errors.bad_value("axes", rule, places, f"inputs: {tuple(inputs.shape)}")
    whole = index_dtype(xp, inputs)
    ends = bring(xp, box, whole, inputs) if is_numpy(box) else box
    check_follows(xp, inputs, "inputs", ends, "box")
    inside = None
    for j, place in enumerate(places):
        shape = [1] * rank
        shape[place] = sizes[j]
        entry = xp.reshape(xp.arange(sizes[j], dtype=whole, **beside(inputs)), tuple(shape))
        start, stop = (xp.reshape(ends[..., j, side], (-1,) + (1,) * (rank - 1)) for side in (0, 1))
        part = (entry >= start) & (entry < stop)
        inside = part if inside is None else inside & part
    return inside


def as_tuple(values: Sequence[int], argument: str) -> tuple[int, ...]:
    """Return a list or tuple of at least one entry as a tuple."""
    if not isinstance(values, list | tuple) or not values:
        received = repr(values) if isinstance(values, list | tuple) else type(values).__name__
        errors.bad_type(argument, "be a list or a tuple of ints, not empty", received)
    return tuple(values)
