"""The few matrix operations that need a decision: 0 * inf, one entry per row, exact one-hots.

Matrices are rows x classes; labels are rows x (labels of a row).
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from array_api_extra import at

from softtargets._array.kinds import is_numpy
from softtargets._array.namespaces import beside, is_number
from softtargets._array.traits import is_eager, look, may_look, may_write
from softtargets.typing import Amount, Array, Namespace

#: Entries of a piece of a long sum.
_PIECE = 2**12
#: Entries of the rows whose targets are added up at a time.
_ENTRIES = 2**20
#: Up to so many classes a block of rows lies class after class on the host: a reduction along a
#: short row costs more than a transpose.
CLASS_MAJOR = 64
#: Classes that are added one after the other in such a block.
_STRAND = 16


def product(xp: Namespace, weight: Amount, values: Array) -> Array:
    """Return ``weight * values`` where a weight of zero switches an infinity off: 0 * inf is 0.

    The derivative for the weight stays right at zero wherever ``values`` is finite.
    """
    if is_number(weight):
        return weight * values if weight else xp.zeros_like(values)
    off = (weight == 0) & xp.isinf(values)
    return weight * xp.where(off, 0.0, values)


def log_of(xp: Namespace, mass: Array) -> Array:
    """Return the logarithm of numbers of at least 0; -inf for 0, without a warning, also where
    lazy arrays are computed later.
    """
    none = mass == 0
    return xp.where(none, -xp.inf, xp.log(xp.where(none, 1.0, mass)))


def gate(
    xp: Namespace, keep: Array | None, amount: Amount, otherwise: float, like: Array
) -> Amount:
    """Return ``amount`` where ``keep`` holds (None: everywhere), ``otherwise`` elsewhere."""
    if keep is None:
        return amount
    if is_number(amount):
        amount = xp.asarray(float(amount), dtype=like.dtype, **beside(like))
    return xp.where(keep, amount, otherwise)


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

    Along rows that lie in memory one after the other NumPy adds in several strands. Across columns
    it adds one after the other, so they are taken a few at a time to be as accurate.
    """
    classes = matrix.shape[1]
    if matrix.flags.c_contiguous or not _STRAND < classes <= CLASS_MAJOR:
        return np.add.reduce(matrix, axis=1, keepdims=True)
    starts = range(0, classes, _STRAND)
    parts = [np.add.reduce(matrix[:, i : i + _STRAND], axis=1, keepdims=True) for i in starts]
    return functools.reduce(np.add, parts)


def weighted_sums(xp: Namespace, weight: Array, values: Array) -> Array:
    """Return the sum of each row of ``weight * values`` as a column, with 0 * inf = 0."""
    if may_look(values):
        # Three passes less; what would be 0 * inf shows as nan.
        sums = row_sums(xp, weight * values)
        if look(xp.any(xp.isnan(sums))) is False:
            return sums
    return row_sums(xp, product(xp, weight, values))


def total(xp: Namespace, amount: Amount, count: int) -> Amount:
    """Return the sum over the entries of each row; a number stands for ``count`` equal entries."""
    if is_number(amount):
        return amount * count
    if amount.shape[1] == 1:
        return amount if count == 1 else amount * count
    return ordered_sums(xp, amount)


def by_pieces(
    xp: Namespace, function: Callable[[slice], Array], rows: int, classes: int, like: Array
) -> Array:
    """Return ``function`` of all rows, found for some at a time: it needs memory for those only.

    So it is for NumPy arrays like ``like``; any others have no block of rows to spare.
    """
    step = max(1, _ENTRIES // max(1, classes))
    if not is_numpy(like) or rows <= step:
        return function(slice(None))
    return xp.concat([function(slice(i, i + step)) for i in range(0, rows, step)])


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


def quotient(xp: Namespace, dividend: Amount, divisor: Amount) -> Amount:
    """Return ``dividend / divisor``, rounded once.

    XLA multiplies by the reciprocal of a divisor that it has to broadcast, and torch divides a
    number by a tensor in the same way.
    """
    if is_number(dividend) and is_number(divisor):
        return dividend / divisor
    if is_number(dividend):
        dividend = xp.full_like(divisor, float(dividend))
    if is_number(divisor):
        divisor = xp.full_like(dividend, float(divisor))
    dividend, divisor = xp.broadcast_arrays(dividend, divisor)
    return dividend / divisor


def is_label(xp: Namespace, labels: Array, num_classes: int) -> Array:
    """Return the rows x classes mask of one label per row (``labels`` has one column)."""
    index = xp.arange(num_classes, dtype=labels.dtype, **beside(labels))
    return index[None, :] == labels


class _Flat(NamedTuple):
    """A matrix as a vector of the same memory, and where it has the entries at labels."""

    memory: Array
    index: Array


def _flat(matrix: Array, labels: Array) -> _Flat | None:
    """Return that of a NumPy matrix without gaps: a vector is indexed several times faster."""
    if not is_numpy(matrix):
        return None
    count, classes = matrix.shape
    if matrix.flags.c_contiguous:
        return _Flat(matrix.reshape(-1), labels + _starts(count, classes))
    if matrix.flags.f_contiguous:
        return _Flat(matrix.T.reshape(-1), labels * count + _starts(count, 1))
    return None


def _starts(count: int, step: int) -> Array:
    return (_few_starts if count <= 2**12 else _few_starts.__wrapped__)(count, step)


@functools.lru_cache(maxsize=16)
def _few_starts(count: int, step: int) -> Array:
    """Return a column of 0, step, 2 step, ..., which nobody writes into."""
    return np.arange(0, count * step, step)[:, None]


def extremes(xp: Namespace, array: Array) -> tuple[Array, Array]:
    """Return the smallest and the largest entry."""
    if is_numpy(array):
        return array.min(), array.max()
    return xp.min(array), xp.max(array)


def pick(xp: Namespace, matrix: Array, labels: Array) -> Array:
    """Return the entries of ``matrix`` at ``labels``, exactly, one column per label."""
    flat = _flat(matrix, labels)
    if flat is not None:
        return flat.memory.take(flat.index)
    if is_eager(matrix):
        return xp.take_along_axis(matrix, labels, axis=1)
    # Traced: a masked sum fuses with the pass over the classes, a gather does not.
    columns = []
    for j in range(labels.shape[1]):
        mask = is_label(xp, labels[:, j : j + 1], matrix.shape[1])
        columns.append(xp.sum(xp.where(mask, matrix, 0.0), axis=1, keepdims=True))
    return columns[0] if len(columns) == 1 else xp.concat(columns, axis=1)


def lookup(xp: Namespace, table: Array, labels: Array) -> Array:
    """Return ``table[labels]`` for a vector or a matrix of one row per class."""
    flat = xp.take(table, xp.reshape(labels, (-1,)), axis=0)
    return xp.reshape(flat, (*labels.shape, *table.shape[1:]))


def column(amount: Amount, j: int) -> Amount:
    """Return the ``j``-th column of an amount per label, where there is more than one."""
    if is_number(amount) or amount.shape[1] == 1:
        return amount
    return amount[:, j : j + 1]


def add_at(xp: Namespace, matrix: Array, labels: Array, amount: Amount) -> Array:
    """Return ``matrix`` with ``amount`` added at ``labels``; a label named twice counts twice."""
    rows = xp.arange(matrix.shape[0], **beside(matrix)) if may_write(matrix) else None
    flat = _flat(matrix, labels)
    for j in range(labels.shape[1]):
        part = column(amount, j)
        if flat is not None:
            flat.memory[flat.index[:, j]] += part if is_number(part) else part[:, 0]
        elif rows is not None:
            entry = part if is_number(part) else part[:, 0]
            matrix = at(matrix)[rows, labels[:, j]].add(entry, copy=False, xp=xp)
        else:
            mask = is_label(xp, labels[:, j : j + 1], matrix.shape[1])
            matrix = matrix + xp.where(mask, as_column(xp, part, matrix), 0.0)
    return matrix


def as_column(xp: Namespace, amount: Amount, like: Array) -> Array:
    """Return an amount as an array that broadcasts against the rows of ``like``."""
    if is_number(amount):
        return xp.asarray(float(amount), dtype=like.dtype, **beside(like))
    return amount
