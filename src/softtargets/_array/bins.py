"""Which bin a number is in, and sums by bin: integers, so that their order does not matter."""

import numpy as np

from softtargets._array.dtypes import index_dtype
from softtargets._array.kinds import is_cupy, is_dask, is_jax, is_numpy, is_torch
from softtargets._array.namespaces import beside
from softtargets._array.operations import quotient
from softtargets.typing import Array, Namespace

#: Entries of the masks that exist at a time.
_ENTRIES = 2**20


def bin_of(xp: Namespace, values: Array, num_bins: int) -> Array:
    """Return the bin of each value in [0, 1], for bins (j/M, (j + 1)/M] of which the first has
    its lower edge too.

    Edges are j/M rounded once to the dtype of the values. A value that is no number is in some bin.
    """
    if is_numpy(values):
        return _bin_on_host(values, num_bins)
    sound = xp.where(values >= 0, xp.minimum(values, xp.ones_like(values)), 0.0)
    guess = xp.floor(sound * num_bins)
    # The product was rounded: the guess may be off by one. A value on an edge is below it.
    guess = guess - xp.astype(sound <= quotient(xp, guess, num_bins), values.dtype)
    guess = guess + xp.astype(sound > quotient(xp, guess + 1, num_bins), values.dtype)
    found = xp.astype(guess, index_dtype(xp, values))
    return xp.where(found < 0, 0, found)


def _bin_on_host(values: Array, num_bins: int) -> Array:
    """Return the same, with few new arrays."""
    with np.errstate(over="ignore", invalid="ignore"):
        guess = values * num_bins
        np.floor(guess, out=guess)
        edge = guess / num_bins
        guess -= values <= edge
        np.add(guess, 1, out=edge)
        edge /= num_bins
        guess += values > edge
    # These two ignore nan.
    np.fmax(guess, 0, out=guess)
    np.fmin(guess, num_bins - 1, out=guess)
    return guess.astype(np.int64)


def sums_at(xp: Namespace, bins: Array, values: Array | None, num_bins: int) -> Array:
    """Return the sums of whole ``values`` (None: of ones) by bin, as integers of the widest kind.

    Values are floats below 2^26, where there are 64 bits, of fewer than 2^27 entries. No bin is
    above ``num_bins``; what is in that one counts nowhere.
    """
    integer = index_dtype(xp, bins)
    if is_numpy(bins):
        # In float64, exactly: their sum is below 2^53.
        found = np.bincount(bins, weights=values, minlength=num_bins + 1)
        return found[:num_bins].astype(np.int64, copy=False)
    if is_cupy(bins) or is_dask(bins):
        found = xp.bincount(bins, weights=values, minlength=num_bins + 1)
        return xp.astype(found[:num_bins], integer, copy=False)
    whole = xp.ones_like(bins) if values is None else xp.astype(values, integer)
    if is_torch(bins) or is_jax(bins):
        start = xp.zeros((num_bins + 1,), dtype=integer, **beside(bins))
        added = start.index_add(0, bins, whole) if is_torch(bins) else start.at[bins].add(whole)
        return added[:num_bins]
    return _by_masks(xp, bins, whole, num_bins)


def _by_masks(xp: Namespace, bins: Array, whole: Array, num_bins: int) -> Array:
    step = max(1, _ENTRIES // max(1, bins.shape[0]))
    parts = []
    for start in range(0, num_bins, step):
        some = xp.arange(start, min(start + step, num_bins), dtype=bins.dtype, **beside(bins))
        mask = bins[:, None] == some[None, :]
        parts.append(xp.sum(xp.where(mask, whole[:, None], 0), axis=0))
    return xp.concat(parts)
