"""The inverse of a matrix, which is no part of the standard itself, and must wait for no device."""

import numpy as np

from softtargets._array.kinds import is_cupy, is_dask, is_jax, is_numpy, is_torch
from softtargets._array.namespaces import beside
from softtargets.typing import Array, Namespace


def inverse(xp: Namespace, matrix: Array) -> Array:
    """Return the inverse; of a singular matrix something that is not finite."""
    if is_numpy(matrix):
        return _by_numpy(matrix)
    if is_torch(matrix):
        import torch  # the user has imported it: there is a tensor

        found = torch.linalg.inv_ex(matrix)
        return torch.where(found.info == 0, found.inverse, torch.nan)
    if is_dask(matrix):
        return matrix.rechunk(matrix.shape).map_blocks(_by_numpy, dtype=matrix.dtype)
    if is_jax(matrix) or is_cupy(matrix):
        return xp.linalg.inv(matrix)
    return _by_elimination(xp, matrix)


def _by_numpy(matrix: Array) -> Array:
    try:
        return np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return np.full_like(matrix, np.nan)


def _by_elimination(xp: Namespace, matrix: Array) -> Array:
    """Return the inverse by Gauss and Jordan, with the largest pivots."""
    count = matrix.shape[0]
    place = beside(matrix)
    rows = xp.arange(count, **place)
    both = xp.concat([matrix, xp.eye(count, dtype=matrix.dtype, **place)], axis=1)
    for i in range(count):
        sizes = xp.where(rows < i, -1.0, xp.abs(both[:, i]))
        pivot = xp.argmax(sizes)
        swapped = xp.where(rows == i, pivot, xp.where(rows == pivot, i, rows))
        both = xp.take(both, swapped, axis=0)
        row = both[i : i + 1, :] / both[i : i + 1, i : i + 1]
        both = xp.where(rows[:, None] == i, row, both - both[:, i : i + 1] * row)
    return both[:, count:]
