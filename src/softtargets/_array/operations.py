"""The few matrix operations that need a decision: 0 * inf, one entry per row, exact one-hots.

Matrices are rows x classes; labels are rows x (labels of a row).
"""

import functools
from typing import NamedTuple

import numpy as np
from array_api_extra import at

from softtargets._array.kinds import is_numpy
from softtargets._array.namespaces import beside, is_number
from softtargets._array.traits import is_eager, may_write
from softtargets.typing import Amount, Array, Namespace

#: Up to so many classes a block of rows lies class after class on the host: a reduction along a
#: short row costs more than a transpose.
CLASS_MAJOR = 64


def product(xp: Namespace, weight: Amount, values: Array) -> Array:
    """Return ``weight * values`` where a weight of zero switches an infinity off: 0 * inf is 0.

    The derivative for the weight stays right at zero wherever ``values`` is finite.
    """
    if is_number(weight):
        return weight * values if weight else xp.zeros_like(values)
    if is_numpy(values):
        # Three passes less where nothing is infinite: what would be 0 * inf shows as nan.
        with np.errstate(invalid="ignore"):
            result = weight * values
        if not np.isnan(result).any():
            return result
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


def quotient(xp: Namespace, dividend: Amount, divisor: Amount) -> Amount:
    """Return ``dividend / divisor``, rounded once.

    XLA multiplies by the reciprocal of a divisor that it has to broadcast, and torch divides a
    number by a tensor in the same way.
    """
    if is_number(dividend) and is_number(divisor):
        return dividend / divisor
    if is_numpy(dividend) or is_numpy(divisor):
        # NumPy's own numbers would change the dtype.
        first, second = (float(x) if is_number(x) else x for x in (dividend, divisor))
        return first / second
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
    if step == 1 and count <= 2**16:
        return _few_starts(2**16, 1)[:count]
    return (_few_starts if count <= 2**12 else _few_starts.__wrapped__)(count, step)


@functools.lru_cache(maxsize=16)
def _few_starts(count: int, step: int) -> Array:
    """Return a column of 0, step, 2 step, ..., which nobody writes into."""
    return np.arange(0, count * step, step)[:, None]


def row_maxima(xp: Namespace, matrix: Array) -> Array:
    """Return the largest entry of each row as a column."""
    if is_numpy(matrix):
        return np.maximum.reduce(matrix, axis=1, keepdims=True)
    return xp.max(matrix, axis=1, keepdims=True)


def extremes(xp: Namespace, column: Array) -> tuple[Array, Array]:
    """Return the smallest and the largest entry of a column, or bounds of them."""
    if is_numpy(column):
        # The root of the sum of squares is no bound where that is inf or nan.
        squares = np.dot(column.reshape(-1), column.reshape(-1))
        if squares < np.inf:
            bound = 1 + squares
            return -bound, bound
        return column.min(), column.max()
    return xp.min(column), xp.max(column)


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
    flat = _flat(matrix, labels)
    rows = None
    if flat is None and may_write(matrix):
        rows = xp.arange(matrix.shape[0], **beside(matrix))
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
        if is_numpy(like):
            return like.dtype.type(amount)  # as good as an array, and made at once
        return xp.asarray(float(amount), dtype=like.dtype, **beside(like))
    return amount
