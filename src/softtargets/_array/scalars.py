"""Numbers that are made on the host, samples and kernels, and how they come beside an array."""

import math
from typing import Any

import numpy as np

from softtargets._array import errors
from softtargets._array.kinds import is_numpy
from softtargets._array.namespaces import beside, is_number
from softtargets.typing import Array, Namespace


def check_real(value: Any, argument: str, *, positive: bool = False) -> float:
    """Return ``value`` as a finite float of at least 0, or above 0."""
    if not is_number(value):
        errors.bad_type(argument, "be a number", type(value).__name__)
    if not 0 <= value < math.inf or (positive and value == 0):
        rule = "be finite and above 0" if positive else "be finite and at least 0"
        errors.bad_value(argument, rule, value)
    return float(value)


def check_share(value: Any, argument: str) -> float:
    """Return ``value`` as a float in [0, 1]."""
    if not is_number(value):
        errors.bad_type(argument, "be a number", type(value).__name__)
    if not 0 <= value <= 1:
        errors.bad_value(argument, "be in [0, 1]", value)
    return float(value)


def generator(rng: Any) -> np.random.Generator:
    """Return the generator that ``rng`` is, or one with the seed that it is (SPEC 7)."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        rule = "be a seed, a numpy.random.Generator or None"
        received = rng if is_number(rng) else type(rng).__name__
        errors.bad_type("rng", rule, received)


def widest_floating(xp: Namespace) -> Any:
    """Return float64, or float32 where JAX runs without 64 bits."""
    return xp.asarray(0.0).dtype if xp.__name__.startswith("jax") else xp.float64


def bring(xp: Namespace, value: Array, dtype: object, like: Array) -> Array:
    """Return ``value`` as an array of ``dtype`` beside ``like``: a copy, if it is NumPy's and
    ``like`` is not.
    """
    if is_numpy(value) and not is_numpy(like):
        # Contiguous: torch takes no negative strides.
        return xp.asarray(np.ascontiguousarray(value), dtype=dtype, **beside(like))
    return value if value.dtype == dtype else xp.astype(value, dtype)
