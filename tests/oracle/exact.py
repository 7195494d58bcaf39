"""The cross-entropy of one case in exact rows of 80-digit numbers, written from the formulas.

Everything is dense and naive on purpose: the softmax is exp over sum of exp, the target is a full
row, nothing is shifted, fused or vectorised, and no line is shared with the library. Inputs are
the exact values of the floats in the case. With q0 the target before smoothing, q after, w the
class weights, a = q w, A = sum a, r = <q0, w> and v the sample weight, a row has

    loss      A lse - <a, x> + r (z_loss lse^2 - confidence_penalty H)
    gradient  (A + 2 r z_loss lse) p - a + r confidence_penalty p (log p + H)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mpmath import mp, mpf  # type: ignore[import-untyped]

from tests.oracle.case import Case
from tests.oracle.exact_targets import ExactRow, exact_row

Number = Any  # mpmath ships no types

WORKING_DIGITS = 80


@dataclass(frozen=True)
class ExactResult:
    """What one case should give: the reduced loss (or one per row) and the gradient by row."""

    loss: Number | list[Number]
    gradient: list[list[Number]]


def cross_entropy(case: Case, digits: int = WORKING_DIGITS) -> ExactResult:
    """The loss and the gradient of `case`, computed with `digits` decimal digits."""
    with mp.workdps(digits):
        return _reduce(case, [_row(case, row) for row in range(case.num_rows)])


@dataclass(frozen=True)
class _Row:
    loss: Number
    gradient: list[Number]
    weight: Number
    kept: bool


def _row(case: Case, index: int) -> _Row:
    words = case.keywords
    classes = range(case.num_classes)
    mask = [True for _ in classes]
    if "class_mask" in words:
        given = words["class_mask"]
        mask = list(given[index] if isinstance(given[0], list) else given)
    target = exact_row(case.target, index, case.num_classes, mask, words)
    if target.dropped or not words.get("where", [True] * case.num_rows)[index]:
        return _Row(mpf(0), [mpf(0) for _ in classes], mpf(0), kept=False)

    weight = [mpf(w) for w in words.get("class_weight", [1] * case.num_classes)]
    a = [target.q[k] * weight[k] for k in classes]
    r = target.fixed_weight
    if r is None:
        r = sum((target.base[k] * weight[k] for k in classes), mpf(0))
    x = [mpf(float(value)) for value in case.matrix()[index]]
    support = [k for k in classes if mask[k] and target.support[k]]
    if target.bad or any(a[k] != 0 for k in classes if not mask[k]):
        return _Row(mp.nan, [mp.nan for _ in classes], r, kept=True)
    loss, inside = _softmax_row([x[k] for k in support], [a[k] for k in support], r, words)
    gradient = [mpf(0) for _ in classes]
    for k, value in zip(support, inside, strict=True):
        gradient[k] = value
    if target.bucket is not None:
        loss, gradient = _bucket_row(x, target, mask)
    return _Row(loss, gradient, r, kept=True)


def _softmax(x: list[Number]) -> tuple[list[Number], list[Number], Number]:
    """Probabilities, their negative logarithms and the logsumexp; infinities by their limits."""
    infinite = sum(1 for value in x if value == mp.inf)
    if any(mp.isnan(value) for value in x) or infinite > 1 or all(v == -mp.inf for v in x):
        nothing = [mp.nan for _ in x]
        return nothing, nothing, mp.nan
    if infinite == 1:
        one = [mpf(1) if value == mp.inf else mpf(0) for value in x]
        return one, [mpf(0) if value == mp.inf else mp.inf for value in x], mp.inf
    powers = [mpf(0) if value == -mp.inf else mp.exp(value) for value in x]
    total = sum(powers, mpf(0))
    lse = mp.log(total)
    return [power / total for power in powers], [lse - value for value in x], lse


def _softmax_row(
    x: list[Number], a: list[Number], r: Number, words: dict[str, Any]
) -> tuple[Number, list[Number]]:
    z = mpf(words.get("z_loss", 0))
    c = mpf(words.get("confidence_penalty", 0))
    p, surprise, lse = _softmax(x)
    if mp.isnan(lse):
        return mp.nan, p
    mass = sum(a, mpf(0))
    loss = sum((ak * sk for ak, sk in zip(a, surprise, strict=True) if ak != 0), mpf(0))
    gradient = [mass * pk - ak for pk, ak in zip(p, a, strict=True)]
    if z != 0 and r != 0:
        loss += r * z * lse**2
        gradient = [g + 2 * r * z * lse * pk for g, pk in zip(gradient, p, strict=True)]
    if c != 0 and r != 0:
        entropy = sum((pk * sk for pk, sk in zip(p, surprise, strict=True) if pk != 0), mpf(0))
        loss -= r * c * entropy
        for k, (pk, sk) in enumerate(zip(p, surprise, strict=True)):
            if pk != 0:
                gradient[k] += r * c * pk * (entropy - sk)
    return loss, gradient


def _bucket_row(x: list[Number], target: ExactRow, mask: list[bool]) -> tuple[Number, list[Number]]:
    """All classes that the teacher does not list count as one class of probability `bucket`."""
    kept = [k for k in range(len(x)) if mask[k]]
    p, surprise, lse = _softmax([x[k] for k in kept])
    assert target.listed is not None
    rest = [k for k in kept if not target.listed[k]]
    loss = sum(
        (target.q[k] * s for k, s in zip(kept, surprise, strict=True) if target.q[k]), mpf(0)
    )
    gradient = [mpf(0) for _ in x]
    for k, pk in zip(kept, p, strict=True):
        gradient[k] = pk - target.q[k]
    if rest and target.bucket != 0:
        inside, _, rest_lse = _softmax([x[k] for k in rest])
        loss += target.bucket * (lse - rest_lse)
        for k, pk in zip(rest, inside, strict=True):
            gradient[k] -= target.bucket * pk
    return loss, gradient


def _reduce(case: Case, rows: list[_Row]) -> ExactResult:
    words = case.keywords
    sample_weight = [mpf(v) for v in words.get("sample_weight", [1] * len(rows))]
    kept = [(v, row) for v, row in zip(sample_weight, rows, strict=True) if row.kept]
    reduction = words.get("reduction", "mean")
    if reduction == "none":
        losses = [
            v * row.loss if row.kept else mpf(0) for v, row in zip(sample_weight, rows, strict=True)
        ]
        scale: Number = mpf(1)
    else:
        losses = sum((v * row.loss for v, row in kept), mpf(0))
        scale = mpf(1)
    if reduction == "mean":
        denominator = sum((v * row.weight for v, row in kept), mpf(0))
        if "denominator" in words:
            denominator = mpf(words["denominator"])
        if denominator == 0:
            zero = [[mpf(0) for _ in row.gradient] for row in rows]
            return ExactResult(mp.nan, zero)
        losses, scale = losses / denominator, 1 / denominator
    gradient = [
        [scale * v * g if row.kept else mpf(0) for g in row.gradient]
        for v, row in zip(sample_weight, rows, strict=True)
    ]
    return ExactResult(losses, gradient)
