"""Sums by bin that are exact: of integers, so that neither order nor blocks matter.

A number in [0, 1] is rounded once, to a multiple of 2^-52, and added as three integers: its whole
part and two halves of its fraction. Where there are no 64-bit integers it is 2^-24.
"""

import numpy as np

from softtargets._array.bins import sums_at
from softtargets._array.dtypes import dtype_name, index_dtype
from softtargets._array.kinds import is_numpy
from softtargets._array.scalars import widest_floating
from softtargets.typing import Array, Namespace

#: Bits of one half of the fraction.
HALF_BITS = {"int64": 26, "int32": 12}
#: Rows that can be added at once without overflow where integers have 32 bits.
NARROW_ROWS = 2**18
#: So many numbers of single precision, none below this, have a sum that double precision has, too.
EXACT_ROWS, EXACT = 2**16, 2.0**-13


def count(xp: Namespace, bins: Array, num_bins: int) -> Array:
    """Return how many entries of ``bins`` are each of 0, ..., num_bins - 1. Others count nowhere.

    No entry is above ``num_bins``.
    """
    return sums_at(xp, bins, None, num_bins)


def halves(
    xp: Namespace, bins: Array, values: Array, num_bins: int, *, single: bool = False
) -> tuple[Array, Array]:
    """Return the sums by bin of the two halves of ``values`` in [0, 1], of the widest floats.

    ``single`` says that they were of single precision.
    """
    unit = 2.0 ** _bits(xp, bins)
    if not is_numpy(values):
        scaled = values * unit
        whole = xp.floor(scaled)
        rest = xp.round((scaled - whole) * unit)
        return sums_at(xp, bins, whole, num_bins), sums_at(xp, bins, rest, num_bins)
    if single and values.size <= EXACT_ROWS and np.min(values, initial=1.0) >= EXACT:
        # Not even their sum needs two parts.
        sums = np.bincount(bins, values, num_bins + 1)[:num_bins] * unit
        whole = np.floor(sums)
        return whole.astype(np.int64), ((sums - whole) * unit).astype(np.int64)
    scaled = values * unit
    whole = np.floor(scaled)
    scaled -= whole
    scaled *= unit
    np.rint(scaled, out=scaled)
    return sums_at(xp, bins, whole, num_bins), sums_at(xp, bins, scaled, num_bins)


def carried(xp: Namespace, parts: Array) -> Array:
    """Return sums of shape (..., 3, num_bins) with each half of the fraction below 1 again."""
    bits = _bits(xp, parts)
    unit = 2**bits
    last = parts[..., 2, :]
    # Shifts round down, as divisions of integers do, and are many times as fast.
    middle = parts[..., 1, :] + (last >> bits)
    first = parts[..., 0, :] + (middle >> bits)
    return xp.stack([first, middle & (unit - 1), last & (unit - 1)], axis=-2)


def as_floats(xp: Namespace, parts: Array) -> Array:
    """Return sums of shape (..., 3, num_bins), or differences of such, as floats."""
    wide = widest_floating(xp)
    unit = 2.0 ** -_bits(xp, parts)
    first, middle, last = (xp.astype(parts[..., j, :], wide) for j in range(3))
    return first + unit * (middle + unit * last)


def _bits(xp: Namespace, like: Array) -> int:
    return HALF_BITS[dtype_name(xp.zeros((), dtype=index_dtype(xp, like)))]
