"""Checks of arguments. Shapes, dtypes and options always; values only where looking is free."""

import math
import sys
from collections.abc import Collection
from typing import Any

import numpy as np

from softtargets._array import errors
from softtargets._array.axes import check_known
from softtargets._array.dtypes import (
    FLOATING,
    INTEGER,
    check_floating,
    default_floating,
    dtype_name,
    index_dtype,
    promote,
)
from softtargets._array.kinds import is_array, is_numpy
from softtargets._array.namespaces import check_follows, is_integer, is_number, namespace_of
from softtargets._array.traits import look, may_look
from softtargets.typing import Amount, Array, Namespace


def check_option(value: object, argument: str, options: Collection[str]) -> None:
    """Raise unless ``value`` is one of the ``options``."""
    if not isinstance(value, str) or value not in options:
        names = ", ".join(repr(option) for option in options)
        errors.bad_value(argument, f"be one of {names}", repr(value))


def check_count(value: object, argument: str) -> int:
    """Return ``value`` as an int of at least 1."""
    number = _as_int(value, argument)
    if number < 1:
        errors.bad_value(argument, "be at least 1", number)
    return number


def check_int(value: object, argument: str) -> int:
    """Return ``value`` as an int."""
    return _as_int(value, argument)


def _as_int(value: Any, argument: str) -> int:
    if not is_integer(value):
        errors.bad_type(argument, "be an int", type(value).__name__)
    return int(value)


def check_shape(array: Array, argument: str, *shapes: tuple[int, ...], context: str = "") -> None:
    """Raise unless ``array`` has one of the ``shapes``."""
    if tuple(array.shape) not in shapes:
        names = " or ".join(str(shape) for shape in dict.fromkeys(shapes))
        errors.bad_value(argument, f"have shape {names}", tuple(array.shape), context)


def check_bool(array: Array, argument: str) -> None:
    """Raise unless ``array`` is a boolean mask."""
    if dtype_name(array) != "bool":
        errors.bad_type(argument, "have dtype bool", dtype_name(array))


def check_values(xp: Namespace, array: Array, argument: str, rule: str, bad: Array) -> None:
    """Raise a ValueError with the first ``bad`` entry of ``array``, if looking is free."""
    if look(xp.any(bad)):
        position = int(xp.argmax(xp.astype(xp.reshape(bad, (-1,)), xp.int8)))
        value = xp.reshape(array, (-1,))[position]
        # Not int(value): torch has no such conversion for the upper half of uint64.
        number = value.item() if hasattr(value, "item") else _number(value)
        where = _unravel(position, tuple(array.shape))
        errors.bad_value(argument, rule, f"{number} at position {where}")


def _number(value: Array) -> int | float:
    return int(value) if dtype_name(value) in INTEGER else float(value)


def _unravel(position: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    index = []
    for size in reversed(shape):
        position, remainder = divmod(position, size)
        index.append(remainder)
    return tuple(reversed(index))


def check_not_negative(xp: Namespace, array: Array, argument: str) -> None:
    """Raise on entries that are negative, nan or infinite, if looking is free."""
    if may_look(array):
        bad = ~((array >= 0) & xp.isfinite(array))
        check_values(xp, array, argument, "be finite and at least 0", bad)


def check_fraction(
    xp: Namespace,
    value: Amount,
    argument: str,
    like: Array,
    like_name: str,
    shapes: Collection[tuple[int, ...]],
    *,
    signed: bool = False,
) -> Amount:
    """Return ``value``, a number in [0, 1] or a float array of one of the ``shapes`` with such
    entries. If ``signed`` they may be negative too.
    """
    rule = "be finite and at most 1" if signed else "be in [0, 1]"
    lowest = -sys.float_info.max if signed else 0
    if is_number(value):
        if not lowest <= value <= 1:
            errors.bad_value(argument, rule, value)
        return float(value)
    _check_amount_array(xp, value, argument, like, like_name, shapes)
    if may_look(value):
        low = xp.isfinite(value) if signed else value >= 0
        check_values(xp, value, argument, rule, ~(low & (value <= 1)))
    return promote(xp, value)


def check_penalty(
    xp: Namespace, value: Amount, argument: str, like: Array, *, positive: bool = False
) -> Amount:
    """Return ``value``, a finite number of at least 0 (above 0 if ``positive``) or a 0-d float
    array; if ``positive``, also a 0-d array of integers, as a count of rows is one.
    """
    rule = "be finite and above 0" if positive else "be finite and at least 0"
    if is_number(value):
        if not (0 <= value < math.inf) or (positive and value == 0):
            errors.bad_value(argument, rule, value)
        return float(value)
    if positive and is_array(value) and dtype_name(value) in INTEGER:
        check_follows(xp, like, "logits", value, argument)
        value = xp.astype(value, default_floating(xp))
    _check_amount_array(xp, value, argument, like, "logits", [()])
    if may_look(value):
        low = (value > 0) if positive else (value >= 0)
        check_values(xp, value, argument, rule, ~(low & xp.isfinite(value)))
    return promote(xp, value)


def check_amount_kind(value: object, argument: str) -> None:
    """Raise unless ``value``, which is no number, is an array."""
    if not is_array(value):
        received = repr(value) if isinstance(value, bool | str) else type(value).__name__
        errors.bad_type(argument, "be a number or an array", received)


def _check_amount_array(
    xp: Namespace,
    value: Array,
    argument: str,
    like: Array,
    like_name: str,
    shapes: Collection[tuple[int, ...]],
) -> None:
    check_amount_kind(value, argument)
    check_follows(xp, like, like_name, value, argument)
    check_floating(value, argument)
    check_shape(value, argument, *shapes)


def same_values(xp: Namespace, first: Array | None, second: Array | None) -> bool:
    """Whether two arrays of one shape are the same, as far as looking is free."""
    if first is None or second is None or first is second:
        return first is second
    return look(xp.all(first == second)) is True


def check_class_vector(
    xp: Namespace,
    value: Array,
    argument: str,
    like: Array,
    like_name: str,
    num_classes: int,
    *,
    signed: bool = False,
) -> Array:
    """Return one number per class, as floats: of at least 0 unless they are ``signed``."""
    check_follows(xp, like, like_name, value, argument)
    if dtype_name(value) not in FLOATING | INTEGER:
        errors.bad_type(argument, "have a real dtype", dtype_name(value))
    check_shape(value, argument, (num_classes,))
    if not signed:
        check_not_negative(xp, value, argument)
    if dtype_name(value) in INTEGER:
        return xp.astype(value, default_floating(xp))
    return promote(xp, value)


def _label_rule(num_classes: int, ignore_index: int) -> str:
    rule = f"be in [0, {num_classes})"
    if 0 <= ignore_index < num_classes:
        return rule
    return f"{rule} or ignore_index {ignore_index}"


def _all_inside(xp: Namespace, index: Array, num_classes: int) -> bool:
    """Whether all labels are known to be in range, which is the usual case."""
    if not may_look(index) or 0 in index.shape:
        return False
    if is_numpy(index):
        # Where -1 is far out of range.
        return bool(np.maximum.reduce(index.view(np.uint64), axis=None) < num_classes)
    # What comes of constants may still be unknown in traced code.
    return look((xp.min(index) >= 0) & (xp.max(index) < num_classes)) is True


def check_labels(
    labels: Array,
    num_classes: int,
    ignore_index: int,
    argument: str,
    where: Array | None = None,
) -> tuple[Array, Array | None, Array | None]:
    """Return labels that are safe to use as an index, the mask of kept ones, the mask of bad ones.

    A mask that is known to be trivial is None. Where values may be looked at, a bad label raises.
    Labels outside of ``where`` may be anything.
    """
    xp = namespace_of(labels, argument)
    name = dtype_name(labels)
    if name not in INTEGER:
        errors.bad_type(argument, "have an integer dtype", name)
    check_known(labels, argument)
    index = xp.astype(labels, index_dtype(xp, labels), copy=False)
    if not 0 <= ignore_index < num_classes and _all_inside(xp, index, num_classes):
        return index, None, None
    inside = (index >= 0) & (index < num_classes)
    # An unsigned label that wrapped around is out of range; it is never the ignored one.
    never = ignore_index < 0 and name.startswith("u")
    ignored = xp.zeros_like(inside) if never else index == ignore_index
    bad = ~(inside | ignored) if where is None else where & ~(inside | ignored)
    if may_look(labels):
        check_values(xp, labels, argument, _label_rule(num_classes, ignore_index), bad)
    if look(xp.any(bad)) is None:
        return xp.where(inside, index, 0), ~ignored, bad
    if look(xp.any(ignored)):
        return xp.where(inside, index, 0), ~ignored, None
    return index if where is None else xp.where(inside, index, 0), None, None
