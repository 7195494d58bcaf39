"""How far a result may be from the exact one, and the checks that say so.

    |ours - exact| <= |plain - exact| + k * eps(dtype) * scale

`plain` is the textbook formula in the same dtype. `scale` is the conditioning of the row: the sum
of the magnitudes that any evaluation in floating point must round.

Loss of a row, with m the maximum and s the sum of exp(x - m): the logits are shifted (rounding
x - m) and weighted, giving sum_k |a_k| |x_k - m|; log s is rounded and weighted, A |log s|; and s
itself is a rounded sum of rounded exponentials, A. Gradient of class k: the products A p_k and
a_k are rounded, and p_k carries the rounding of its own exponent, p_k |x_k - m|, and through s
that of the others, p_k sum_j p_j |x_j - m|. A z-loss multiplies by lse, which unlike the rest
is not shift invariant: it carries |m| + |log s|.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from tests.oracle.case import Case
from tests.oracle.plain import PlainResult, cross_entropy

Array = Any

# One rounding each for the shift, the product with the target, the sum over classes and the
# logarithm (loss) or the quotient and the difference (gradient); each is at most half an eps, and
# exp and log of a library may be off by one whole ulp.
ULPS = 4.0

_EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
# The smallest normal number, below which a library may flush to zero; for float16, which only
# stores results, the distance between its subnormal numbers.
_TINY = {"float16": 2.0**-24, "bfloat16": 2.0**-126, "float32": 2.0**-126, "float64": 2.0**-1022}


@dataclass(frozen=True)
class Scale:
    """The conditioning of one case: of its loss and of each entry of its gradient."""

    loss: Array
    gradient: Array


def scale_of(case: Case) -> Scale:
    """The conditioning of `case`, computed in float64."""
    result = cross_entropy(case, "float64")
    with np.errstate(all="ignore"):
        loss, gradient = _row_scales(case, result)
        rows = result.rows
        v = np.where(rows.kept, rows.sample_weight, 0.0)
        loss = np.where(rows.kept, v * loss, 0.0)
        gradient = np.where(rows.kept[:, None] & rows.inside, v[:, None] * gradient, 0.0)
        reduction = case.keywords.get("reduction", "mean")
        if reduction == "none":
            return Scale(loss, gradient)
        # A sum of rows is itself rounded in proportion to its terms.
        total = np.sum(loss) + np.sum(np.abs(np.where(rows.kept, v * rows.loss, 0.0)))
        if reduction == "mean" and rows.denominator != 0:
            return Scale(total / rows.denominator, gradient / rows.denominator)
        return Scale(total, gradient)


def _row_scales(case: Case, result: PlainResult) -> tuple[Array, Array]:
    rows = result.rows
    x, a = rows.logits, np.abs(rows.a)
    maximum = np.max(x, axis=1, keepdims=True)
    finite = np.isfinite(x) & np.isfinite(maximum)
    distance = np.where(finite, np.abs(np.where(finite, x - maximum, 0.0)), 0.0)
    powers = np.where(finite, np.exp(-distance), np.where(np.isposinf(x), 1.0, 0.0))
    total = np.sum(powers, axis=1, keepdims=True)
    p = powers / total
    log_sum = np.abs(np.log(total))
    mass = np.sum(a, axis=1, keepdims=True)
    if rows.targets.bucket is not None:
        # The bucket is 1 - sum(weights): its rounding is that of 1, times what it multiplies.
        rest = rows.inside & ~rows.targets.listed & finite
        far = np.min(np.where(rest, distance, np.inf), axis=1, keepdims=True)
        far = np.where(np.isfinite(far), far, 0.0)
        beyond = np.where(rest, distance - far, 0.0)
        share = np.where(rest, np.exp(-beyond), 0.0)
        share = share / np.maximum(np.sum(share, axis=1, keepdims=True), 1.0)
        mass = np.ones_like(mass)
        a_distance = np.sum(a * distance, axis=1, keepdims=True) + far + 1.0
        a = a + share * (1.0 + beyond)
    else:
        a_distance = np.sum(a * distance, axis=1, keepdims=True)
    loss = a_distance + mass * (log_sum + 1.0)
    mean_distance = np.sum(p * distance, axis=1, keepdims=True)
    relative = 1.0 + distance + mean_distance
    gradient = mass * p * relative + a

    r = rows.row_weight[:, None]
    z = case.keywords.get("z_loss", 0.0)
    c = case.keywords.get("confidence_penalty", 0.0)
    if z:
        lse = np.abs(maximum) + log_sum + 1.0
        loss = loss + r * z * lse * lse
        gradient = gradient + 2 * r * z * lse * p * relative
    if c:
        entropy = mean_distance + log_sum + 1.0
        loss = loss + r * c * entropy
        gradient = gradient + r * c * p * (distance + log_sum + entropy) * relative
    return loss[:, 0], gradient


def eps(dtype: str) -> float:
    """The distance from 1 to the next number of `dtype`."""
    return _EPS[dtype]


class Exact:
    """Exact values, held as a float64 and what it leaves, so that differences are not rounded."""

    def __init__(self, strings: list[str]) -> None:
        self.high = np.array([float(s) for s in strings])
        left = [
            Decimal(s) - Decimal(h) if np.isfinite(h) else Decimal(0)
            for s, h in zip(strings, self.high.tolist(), strict=True)
        ]
        self.low = np.array([float(value) for value in left])

    def error(self, values: Array) -> Array:
        """|values - exact|: 0 where both are the same infinity or both nan, else inf there."""
        values = np.asarray(values, dtype=np.float64).reshape(self.high.shape)
        with np.errstate(all="ignore"):
            difference = np.abs((values - self.high) - self.low)
        finite = np.isfinite(values) & np.isfinite(self.high)
        same = (values == self.high) | (np.isnan(values) & np.isnan(self.high))
        return np.where(finite, difference, np.where(same, 0.0, np.inf))


def unit(scale: Array, compute: str, out: str, exact: Array) -> Array:
    """What one ulp is worth: eps of the arithmetic times `scale`, and the rounding to `out`."""
    scale = np.where(np.isfinite(scale), scale, 0.0)
    return eps(compute) * scale + _floor(scale, compute, out, exact)


def allowance(plain_error: Array, scale: Array, compute: str, out: str, exact: Array) -> Array:
    """The largest error that a result may have; see the module for the rule."""
    scale = np.where(np.isfinite(scale), scale, 0.0)
    units = ULPS * eps(compute) * scale + _floor(scale, compute, out, exact)
    return np.where(np.isfinite(plain_error), plain_error, 0.0) + units


def _floor(scale: Array, compute: str, out: str, exact: Array) -> Array:
    """What is lost below the normal numbers, and by one more rounding to a shorter dtype."""
    lost = np.full(np.shape(scale), _TINY[compute])
    if out != compute:
        finite = np.where(np.isfinite(exact), np.abs(exact), 0.0)
        lost = lost + eps(out) * finite + _TINY[out]
    return np.where(scale > 0, lost, 0.0)


def assert_within(what: str, values: Array, exact: Exact, allowed: Array) -> None:
    """Fail, saying where, if one of `values` is further from `exact` than `allowed`."""
    error = exact.error(values)
    over = np.flatnonzero(~(error <= allowed))
    if over.size:
        at = int(over[np.argmax(error[over] - allowed[over])])
        value = np.asarray(values, dtype=np.float64).ravel()[at]
        raise AssertionError(
            f"{what}[{at}] is {value!r}, exact {exact.high[at]!r}: error {error[at]:.3g}, "
            f"allowed {allowed[at]:.3g} ({over.size} of {error.size} entries over)"
        )
