"""Arithmetic into memory that the caller owns; without any, a new array.

``out`` is not in the standard: only arrays that :func:`may_write` allows have it.
"""

from softtargets._array.kinds import is_torch
from softtargets._array.namespaces import is_number
from softtargets._array.traits import may_look, may_write
from softtargets.typing import Amount, Array, Namespace

#: Entries of a piece of a product that is added to a total, on the host and on a device.
HOST_PIECE, DEVICE_PIECE = 2**22, 2**26
#: Entries of a piece of a product that is added to a block: it stays in the first caches.
OWN_PIECE = 2**15


def turned(matrix: Array) -> Array:
    """Return a copy of a NumPy matrix that lies column after column in memory."""
    return matrix.copy(order="F")


def subtract(xp: Namespace, values: Array, column: Array, out: Array | None) -> Array:
    """Return ``values - column``."""
    return values - column if out is None else xp.subtract(values, column, out=out)


def exponential(xp: Namespace, values: Array, *, own: bool) -> Array:
    """Return ``exp(values)``, in place of the values where they are the caller's ``own``."""
    return xp.exp(values, out=values) if own else xp.exp(values)


def scaled(values: Array, factor: Amount, *, own: bool) -> Array:
    """Return ``values * factor``, in place of the values where they are the caller's ``own``."""
    if not own:
        return values * factor
    values *= factor
    return values


def added(values: Array, more: Amount, *, own: bool) -> Array:
    """Return ``values + more``, in place of the values where they are the caller's ``own``."""
    if not own:
        return values + more
    values += more
    return values


def added_multiple(values: Array, factor: Amount, more: Array, *, own: bool) -> Array:
    """Return ``values + factor * more``; if ``values`` are the caller's ``own``, the product exists
    some rows at a time. A factor is a number or has one row, or one row for each of ``values``.
    """
    rows, classes = values.shape
    step = max(1, OWN_PIECE // max(1, classes))
    if not own or more.shape[0] != rows or rows <= step:
        return added(values, factor * more, own=own)
    single = is_number(factor) or factor.shape[0] == 1
    for start in range(0, rows, step):
        some = slice(start, start + step)
        values[some, :] += (factor if single else factor[some, :]) * more[some, :]
    return values


def matmul(xp: Namespace, left: Array, right: Array, out: Array | None = None) -> Array:
    """Return ``left @ right``."""
    return xp.matmul(left, right) if out is None else xp.matmul(left, right, out=out)


def add_product(xp: Namespace, total: Array | None, left: Array, right: Array) -> Array:
    """Return ``total + left @ right``; a total is the caller's own, without one it is 0.

    Few libraries multiply and add at once. Elsewhere the product exists a piece at a time.
    """
    if total is None or not may_write(total):
        return xp.matmul(left, right) if total is None else total + xp.matmul(left, right)
    if is_torch(total) and total.dtype == left.dtype:
        return total.addmm_(left, right)
    piece = HOST_PIECE if may_look(total) else DEVICE_PIECE
    step = max(1, piece // max(1, right.shape[1]))
    for start in range(0, left.shape[0], step):
        total[start : start + step, :] += xp.matmul(left[start : start + step, :], right)
    return total
