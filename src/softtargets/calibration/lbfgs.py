"""A minimiser of smooth convex functions of a few thousand numbers (limited-memory BFGS)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Vector = np.ndarray[Any, Any]
#: Pairs of steps that stand for the curvature.
MEMORY = 10
#: A step must lower the value by this part of what the slope promises (Armijo).
SUFFICIENT = 1e-4


class Minimum(NamedTuple):
    """Where the search ended; ``converged``: no entry of the gradient is above the tolerance."""

    place: Vector
    value: float
    iterations: int
    converged: bool


def minimise(
    function: Callable[[Vector], tuple[float, Vector]],
    start: Vector,
    *,
    tolerance: float,
    iterations: int,
    noise: float = 0.0,
) -> Minimum:
    """Return the minimum of a function that returns its value and its gradient.

    Values are known to a relative ``noise``, gradients better than ``tolerance``.
    """
    place, (value, gradient) = start, function(start)
    pairs: list[tuple[Vector, Vector]] = []
    done = 0
    while done < iterations and np.max(np.abs(gradient)) > tolerance:
        direction = _direction(gradient, pairs)
        slope = float(direction @ gradient)
        length = 1.0 if pairs else min(1.0, 1.0 / float(np.max(np.abs(gradient))))
        allowed = value + noise * abs(value)
        found = _along(function, place, allowed, direction, slope, length)
        if found is None:
            break  # rounding hides any further descent
        step, value, after = found
        change = after - gradient
        if float(step @ change) > 0:
            pairs = [*pairs, (step, change)][-MEMORY:]
        place, gradient = place + step, after
        done += 1
    return Minimum(place, value, done, bool(np.max(np.abs(gradient)) <= tolerance))


def _direction(gradient: Vector, pairs: list[tuple[Vector, Vector]]) -> Vector:
    """Return the direction of descent (the two loops of Nocedal)."""
    result = -gradient
    shares = []
    for step, change in reversed(pairs):
        share = float(step @ result) / float(step @ change)
        shares.append(share)
        result = result - share * change
    if pairs:
        step, change = pairs[-1]
        result = result * (float(step @ change) / float(change @ change))
    for (step, change), share in zip(pairs, reversed(shares), strict=True):
        result = result + (share - float(change @ result) / float(step @ change)) * step
    return result


def _along(
    function: Callable[[Vector], tuple[float, Vector]],
    place: Vector,
    allowed: float,
    direction: Vector,
    slope: float,
    length: float,
) -> tuple[Vector, float, Vector] | None:
    """Return the first step, of lengths halved each time, that lowers the value enough."""
    for _ in range(40):
        step = length * direction
        after, gradient = function(place + step)
        if after <= allowed + SUFFICIENT * length * slope:
            return step, after, gradient
        length /= 2
    return None
