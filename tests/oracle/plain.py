"""The textbook cross-entropy in NumPy: shift by the maximum, exponentiate, divide.

In float64 this is the slow reference of the property tests; in the dtype of a case it is the
yardstick of the error budget, since no result can be asked to be better than what the plain
formula loses by rounding. The formulas are those of `tests.oracle.exact`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.oracle.case import Case
from tests.oracle.dense import DenseRows, class_mask, dense_rows

Array = Any


@dataclass(frozen=True)
class PlainRows:
    """Everything the plain formula forms on its way, by row; dropped rows hold zeros."""

    logits: Array  # ignored rows and classes outside the softmax replaced
    kept: Array  # rows
    inside: Array  # rows x classes, where the softmax runs
    a: Array  # target times class weight
    mass: Array  # A
    row_weight: Array  # r
    sample_weight: Array  # v
    loss: Array
    gradient: Array
    denominator: Array | None
    targets: DenseRows


@dataclass(frozen=True)
class PlainResult:
    """The reduced loss (0-d or one per row), the gradient (rows x classes) and the rows."""

    loss: Array
    gradient: Array
    rows: PlainRows


def compute_dtype(dtype: str) -> str:
    """The dtype of the arithmetic and of the loss for logits of `dtype`."""
    return "float64" if dtype == "float64" else "float32"


def round_to(values: Array, dtype: str) -> Array:
    """`values` (float32 or float64) rounded to `dtype`, kept in their own dtype."""
    if dtype != "bfloat16":
        return values.astype(dtype).astype(values.dtype)
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + even) & np.uint32(0xFFFF0000)
    exact = np.where(np.isnan(values), np.float32("nan"), rounded.view(np.float32))
    return exact.astype(values.dtype)


def cross_entropy(case: Case, dtype: str | None = None) -> PlainResult:
    """The loss and the gradient of `case` with all arithmetic in `dtype` (that of the case)."""
    real = np.dtype(compute_dtype(case.dtype) if dtype is None else dtype).type
    with np.errstate(all="ignore"):
        result = _reduce(case, _rows(case, real), real)
        if dtype is None:
            return PlainResult(result.loss, round_to(result.gradient, case.dtype), result.rows)
        return result


def _rows(case: Case, real: Any) -> PlainRows:
    words = case.keywords
    mask = class_mask(case)
    targets = dense_rows(case, real)
    kept = ~targets.dropped & np.asarray(words.get("where", [True] * case.num_rows))
    inside = mask & targets.support
    weight = np.asarray(words.get("class_weight", [1.0] * case.num_classes), dtype=real)
    a = np.where(kept[:, None], targets.q * weight, real(0))
    row_weight = np.sum(targets.base * weight, axis=1)
    row_weight = np.where(kept, real(1) if targets.fixed else row_weight, real(0))
    row_weight = row_weight.astype(real)
    x = np.where(kept[:, None], case.matrix().astype(real), real(0))
    x = np.where(inside | ~kept[:, None], x, real("-inf"))

    p, shifted, log_sum, lse = _softmax(x)
    mass = np.sum(a, axis=1)
    terms = np.where(a == 0, real(0), a * (log_sum[:, None] - shifted))
    loss = np.sum(terms, axis=1)
    gradient = mass[:, None] * p - a
    if targets.bucket is not None:
        loss, gradient = _bucket(targets, inside, x, p, loss, a)
    loss, gradient = _penalties(case, real, row_weight, p, shifted, log_sum, lse, loss, gradient)

    wrong = kept & (targets.bad | np.any((a != 0) & ~mask, axis=1))
    loss = np.where(wrong, real("nan"), np.where(kept, loss, real(0)))
    gradient = np.where(wrong[:, None], real("nan"), gradient)
    gradient = np.where(kept[:, None] & (inside | wrong[:, None]), gradient, real(0))
    sample_weight = np.asarray(words.get("sample_weight", [1.0] * case.num_rows), dtype=real)
    return PlainRows(
        x, kept, inside, a, mass, row_weight, sample_weight, loss, gradient, None, targets
    )


def _softmax(x: Array) -> tuple[Array, Array, Array, Array]:
    maximum = np.max(x, axis=1, keepdims=True)
    shifted = np.where(np.isposinf(maximum) & (x == maximum), x.dtype.type(0), x - maximum)
    powers = np.exp(shifted)
    total = np.sum(powers, axis=1, keepdims=True)
    log_sum = np.log(total)[:, 0]
    return powers / total, shifted, log_sum, maximum[:, 0] + log_sum


def _bucket(
    targets: DenseRows, inside: Array, x: Array, p: Array, loss: Array, a: Array
) -> tuple[Array, Array]:
    rest = inside & ~targets.listed
    some = np.any(rest, axis=1)
    bucket: Array = np.where(some, targets.bucket, loss.dtype.type(0))
    outside = np.where(rest | ~some[:, None], x, x.dtype.type("-inf"))
    share, _, _, rest_lse = _softmax(outside)
    _, _, _, lse = _softmax(x)
    tail = np.where(bucket == 0, loss.dtype.type(0), bucket * (lse - rest_lse))
    return loss + tail, p - a - np.where(rest, bucket[:, None] * share, loss.dtype.type(0))


def _penalties(
    case: Case,
    real: Any,
    r: Array,
    p: Array,
    shifted: Array,
    log_sum: Array,
    lse: Array,
    loss: Array,
    gradient: Array,
) -> tuple[Array, Array]:
    z = real(case.keywords.get("z_loss", 0.0))
    c = real(case.keywords.get("confidence_penalty", 0.0))
    if z != 0:
        loss = loss + r * z * lse * lse
        gradient = gradient + (2 * r * z * lse)[:, None] * p
    if c != 0:
        log_p = shifted - log_sum[:, None]
        entropy = -np.sum(np.where(p == 0, real(0), p * log_p), axis=1)
        loss = loss - r * c * entropy
        slope = np.where(p == 0, real(0), p * (log_p + entropy[:, None]))
        gradient = gradient + (r * c)[:, None] * slope
    return loss, gradient


def _reduce(case: Case, rows: PlainRows, real: Any) -> PlainResult:
    v = rows.sample_weight
    losses = np.where(rows.kept, v * rows.loss, real(0))
    gradient = np.where(rows.kept[:, None], v[:, None] * rows.gradient, real(0))
    reduction = case.keywords.get("reduction", "mean")
    if reduction == "none":
        return PlainResult(losses, gradient, rows)
    total = np.sum(losses)
    if reduction == "sum":
        return PlainResult(total, gradient, rows)
    denominator = np.sum(np.where(rows.kept, v * rows.row_weight, real(0)))
    denominator = real(case.keywords.get("denominator", denominator))
    rows = PlainRows(**(vars(rows) | {"denominator": denominator}))
    if denominator == 0:
        return PlainResult(real("nan"), np.zeros_like(gradient), rows)
    return PlainResult(total / denominator, gradient / denominator, rows)
