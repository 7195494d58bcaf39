"""Arithmetic into memory that the caller owns; without any, a new array.

``out`` is not in the standard: only arrays that :func:`may_write` allows have it.
"""

from softtargets.typing import Amount, Array, Namespace


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
