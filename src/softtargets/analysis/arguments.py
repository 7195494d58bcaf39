"""Checks that the functions of this package share."""

from typing import Any, NamedTuple

import numpy as np

from softtargets._array import errors
from softtargets._array.checks import check_amount_kind, check_count, check_fraction
from softtargets._array.namespaces import is_number, namespace_of
from softtargets.typing import Amount, Array, Namespace


class Fractions(NamedTuple):
    """Numbers in [0, 1] as an array, and whether one plain number was given."""

    xp: Namespace
    values: Array
    plain: bool

    def result(self, array: Array) -> Amount:
        """Return ``array``, made of the values, as the kind that was given."""
        return float(array) if self.plain else array


def fractions(value: Amount, argument: str) -> Fractions:
    """Return ``value``, a number or an array of any shape with entries in [0, 1], as an array."""
    if is_number(value):
        number = check_fraction(None, value, argument, None, "", ())
        array = np.asarray(number)
        return Fractions(namespace_of(array, argument), array, True)
    check_amount_kind(value, argument)
    xp = namespace_of(value, argument)
    array = check_fraction(xp, value, argument, value, argument, [tuple(value.shape)])
    return Fractions(xp, array, False)


def check_several(num_classes: Any) -> int:
    """Return the number of classes as an int of at least 2."""
    count = check_count(num_classes, "num_classes")
    if count < 2:
        errors.bad_value("num_classes", "be at least 2", count)
    return count


def check_within(value: Any, argument: str, low: float, high: float = 1.0) -> float:
    """Return ``value`` as a float in [low, high]."""
    if not is_number(value):
        errors.bad_type(argument, "be a number", type(value).__name__)
    if not low <= value <= high:
        errors.bad_value(argument, f"be in [{low:g}, {high:g}]", value)
    return float(value)
