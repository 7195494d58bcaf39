"""Between arrays with a class axis anywhere and matrices of rows x classes."""

import math
from typing import Any

from softtargets._array import errors
from softtargets._array.namespaces import is_integer
from softtargets._array.traits import may_look
from softtargets.typing import Array, Namespace


def check_axis(axis: Any, ndim: int) -> int:
    """Return ``axis`` counted from the front, or raise an error that names it."""
    if not is_integer(axis):
        errors.bad_type("axis", "be an int", type(axis).__name__)
    if not -ndim <= axis < ndim:
        errors.bad_value("axis", f"be in [{-ndim}, {ndim})", axis)
    return int(axis) % ndim


def check_known(array: Array, argument: str) -> None:
    """Raise for a Dask array that was cut by a mask: the size of an axis is nan."""
    if any(size != size for size in array.shape):
        shape = tuple(array.shape)
        errors.bad_value(argument, "have a known shape (compute_chunk_sizes finds it)", shape)


def check_class_axis(array: Array, argument: str, axis: Any, *, empty: bool = False) -> int:
    """Return the class axis of ``array``, counted from the front, if it has classes there, or
    may be ``empty``.
    """
    shape = tuple(array.shape)
    check_known(array, argument)
    if not shape:
        errors.bad_value(argument, "have a class axis", shape)
    position = check_axis(axis, len(shape))
    if shape[position] == 0 and not empty:
        errors.bad_value(argument, "have at least one class", shape, f"axis: {axis}")
    return position


def row_shape(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """Return ``shape`` without the class axis."""
    return (*shape[:axis], *shape[axis + 1 :])


def to_rows(xp: Namespace, array: Array, axis: int | None) -> Array:
    """Return ``array`` as a matrix of rows x classes; a class axis in the middle is copied.

    Without a class axis every entry is a row.
    """
    if axis is None:
        return xp.reshape(array, (-1, 1))
    if array.ndim == 2 and axis == 1:
        return array
    if axis != array.ndim - 1:
        array = xp.moveaxis(array, axis, -1)
    return xp.reshape(array, (math.prod(array.shape[:-1]), array.shape[-1]))


def in_rows(xp: Namespace, matrix: Array) -> Array:
    """Return a matrix that lies row after row in memory, where the library lets one choose.

    Along a strided axis NumPy adds naively, and no library in the order of a contiguous one.
    """
    if not may_look(matrix):
        return matrix
    return xp.reshape(xp.reshape(matrix, (-1,)), matrix.shape)


def from_rows(xp: Namespace, matrix: Array, shape: tuple[int, ...], axis: int | None) -> Array:
    """Undo :func:`to_rows` for an array of ``shape`` with its class axis at ``axis``."""
    if axis is None:
        return xp.reshape(matrix, shape)
    if len(shape) == 2 and axis == 1:
        return matrix
    array = xp.reshape(matrix, (*row_shape(shape, axis), shape[axis]))
    return array if axis == len(shape) - 1 else xp.moveaxis(array, -1, axis)
