"""Sums along rows and columns, in an order that threads and blocks do not change.

Matrices are rows x classes.
"""

import functools

import numpy as np

from softtargets._array.kinds import is_numpy
from softtargets._array.namespaces import is_number
from softtargets._array.operations import CLASS_MAJOR, product
from softtargets._array.pieces import by_pieces
from softtargets._array.traits import is_eager, look, may_look
from softtargets.typing import Amount, Array, Namespace

#: Entries of a piece of a long sum.
_PIECE = 2**12
#: Classes that are added one after the other in a block that lies class after class.
_STRAND = 16
#: Entries of a piece of an inner product: few enough for one thread and a small error.
_STRETCH = 2**9
_OF_LOSSES = (np.dtype("float32"), np.dtype("float64"))


def row_sums(xp: Namespace, matrix: Array) -> Array:
    """Return the sum of each row as a column, the same bits for any number of threads and rows.

    Torch cuts the sum of a single long row by thread; short rows, summed in turn, it does not cut.
    """
    if is_numpy(matrix):
        return _host_sums(matrix)
    # Sizes are not looked at in traced code, where they would become constants.
    if not is_eager(matrix) or matrix.shape[0] != 1 or matrix.shape[1] <= 2 * _PIECE:
        return xp.sum(matrix, axis=1, keepdims=True)
    return _sum_of_row(xp, matrix)


def column_sum(xp: Namespace, column: Array) -> Array:
    """Return the sum of a column as a 0-d array, the same bits for any number of threads."""
    if is_numpy(column):
        if column.shape[0] <= 2 * _PIECE:
            return column.sum()
        # In pieces: NumPy 2.0 adds up what fits its buffer, then those sums one after the other.
        return _sum_of_row(xp, column.reshape((1, -1)))[0, 0]
    return row_sums(xp, xp.reshape(column, (1, -1)))[0, 0]


def _sum_of_row(xp: Namespace, row: Array) -> Array:
    """Return the sum of one long row as a 1 x 1 matrix, added in pieces of a fixed size."""
    classes = row.shape[1]
    cut = classes - classes % _PIECE
    pieces = xp.sum(xp.reshape(row[:, :cut], (-1, _PIECE)), axis=1)
    rest = xp.sum(row[:, cut:], axis=1, keepdims=True)
    return row_sums(xp, xp.concat([pieces[None, :], rest], axis=1))


def _host_sums(matrix: Array) -> Array:
    """Return the sum of each row of a NumPy matrix as a column.

    Across columns NumPy adds one after the other, so they are taken a few at a time to be as
    accurate as rows that lie in memory one after the other.
    """
    classes = matrix.shape[1]
    if matrix.flags.c_contiguous:
        if matrix.dtype in _OF_LOSSES:
            return _dots(matrix, _ones(min(classes, _STRETCH), matrix.dtype))
    elif _STRAND < classes <= CLASS_MAJOR:
        starts = range(0, classes, _STRAND)
        parts = [np.add.reduce(matrix[:, i : i + _STRAND], axis=1, keepdims=True) for i in starts]
        return functools.reduce(np.add, parts)
    return np.add.reduce(matrix, axis=1, keepdims=True)


@functools.lru_cache(maxsize=64)
def _ones(count: int, dtype: object) -> Array:
    """Return a row of ones, which nobody writes into."""
    return np.ones((1, count), dtype)


def _dots(values: Array, weight: Array) -> Array:
    """Return the inner products of rows that lie one after the other in memory, as a column.

    ``weight`` is a row for all, of the length of a stretch at most, or as long as ``values``. The
    inner products of BLAS are twice as quick as NumPy's sums, and accurate over short stretches.
    """
    classes = values.shape[1]
    if classes <= _STRETCH:
        return np.vecdot(values, weight)[:, None]
    cut = classes - classes % _STRETCH
    cyclic = weight.shape[1] == _STRETCH
    factors = weight if cyclic else weight[:, :cut].reshape(-1, cut // _STRETCH, _STRETCH)
    sums = _host_sums(np.vecdot(values[:, :cut].reshape(-1, cut // _STRETCH, _STRETCH), factors))
    if cut == classes:
        return sums
    rest = weight[:, : classes - cut] if cyclic else weight[:, cut:]
    return sums + np.vecdot(values[:, cut:], rest)[:, None]


def weighted_sums(xp: Namespace, weight: Array, values: Array) -> Array:
    """Return the sum of each row of ``weight * values`` as a column, with 0 * inf = 0."""
    if may_look(values):
        # Three passes less; what would be 0 * inf shows as nan.
        sums = _inner_products(xp, weight, values)
        if look(xp.any(xp.isnan(sums))) is False:
            return sums
    return row_sums(xp, product(xp, weight, values))


def _inner_products(xp: Namespace, weight: Array, values: Array) -> Array:
    """Return the sum of each row of ``weight * values`` as a column."""
    if not is_numpy(values):
        return row_sums(xp, weight * values)
    contiguous = weight.flags.c_contiguous and values.flags.c_contiguous
    if contiguous and weight.dtype == values.dtype in _OF_LOSSES:
        return _dots(values, weight)  # without a matrix of products
    # Many classes lie side by side, where their sum is accurate.
    many = values.shape[1] > CLASS_MAJOR
    return row_sums(xp, np.multiply(weight, values, order="C" if many else "K"))


def total(xp: Namespace, amount: Amount, count: int) -> Amount:
    """Return the sum over the entries of each row; a number stands for ``count`` equal entries."""
    if is_number(amount):
        return amount * count
    if amount.shape[1] == 1:
        return amount if count == 1 else amount * count
    return ordered_sums(xp, amount)


def ordered_sums(xp: Namespace, matrix: Array) -> Array:
    """Return the sum along the last axis, which stays, added in halves.

    Every library adds in an order of its own; this gives the same bits on all.
    """
    if matrix.ndim != 2 or not is_numpy(matrix):
        return _in_halves(xp, matrix)
    rows, classes = matrix.shape
    return by_pieces(xp, lambda some: _in_halves(xp, matrix[some, :]), rows, classes, matrix)


def _in_halves(xp: Namespace, matrix: Array) -> Array:
    while matrix.shape[-1] > 1:
        half = matrix.shape[-1] // 2
        odd = matrix[..., 2 * half :]
        matrix = matrix[..., :half] + matrix[..., half : 2 * half]
        if odd.shape[-1]:
            matrix = xp.concat([matrix, odd], axis=-1)
    return matrix
