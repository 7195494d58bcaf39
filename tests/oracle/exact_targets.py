"""Targets as dense rows of exact numbers, one row at a time, from the definitions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mpmath import mp, mpf  # type: ignore[import-untyped]

from tests.oracle.case import Dense, Labels, Mix, Smooth, Target, TopK, Weighted

Number = Any  # mpmath ships no types


@dataclass(frozen=True)
class ExactRow:
    """One row of a target.

    `base` is the row before smoothing and `q` after it. A dropped row has no target; a bad one
    names a class that does not exist. `support` says over which classes the softmax runs.
    `bucket` is the mass that a teacher's list leaves to all the classes outside `listed`
    together. `fixed_weight` replaces <base, w> in denominators.
    """

    base: list[Number]
    q: list[Number]
    support: list[bool]
    dropped: bool = False
    bad: bool = False
    listed: list[bool] | None = None
    bucket: Number | None = None
    fixed_weight: Number | None = None


def exact_row(
    target: Target, row: int, num_classes: int, mask: list[bool], words: dict[str, Any]
) -> ExactRow:
    """The row `row` of `target`, with the smoothing among the keywords `words` applied."""
    result = _evaluate(target, row, num_classes, mask)
    epsilon = words.get("label_smoothing", 0.0)
    if epsilon == 0.0:
        return result
    smooth = Smooth(target, epsilon, words.get("prior"), words.get("spread", "all"))
    return _smooth(result, smooth, row, mask)


def dense_rows(target: Target, num_rows: int, num_classes: int) -> list[list[Number]]:
    """The rows of `target` after smoothing and weighting, as `Targets.to_dense` gives them."""
    mask = [True] * num_classes
    rows = [_evaluate(target, row, num_classes, mask) for row in range(num_rows)]
    return [[mp.nan] * num_classes if row.bad else row.q for row in rows]


def _evaluate(target: Target, row: int, num_classes: int, mask: list[bool]) -> ExactRow:
    zeros = [mpf(0)] * num_classes
    everything = [True] * num_classes
    if isinstance(target, Labels):
        label = target.labels[row]
        if label == target.ignore_index:
            return ExactRow(zeros, zeros, everything, dropped=True)
        if not 0 <= label < num_classes:
            return ExactRow(zeros, zeros, everything, bad=True)
        one = [mpf(int(k == label)) for k in range(num_classes)]
        return ExactRow(one, one, everything)
    if isinstance(target, Dense):
        q = [mpf(value) for value in target.q[row]]
        return ExactRow(q, q, everything)
    if isinstance(target, TopK):
        return _top_k(target, row, num_classes)
    if isinstance(target, Smooth):
        return _smooth(_evaluate(target.of, row, num_classes, mask), target, row, mask)
    if isinstance(target, Weighted):
        inner = _evaluate(target.of, row, num_classes, mask)
        w = [mpf(value) for value in target.class_weight]
        return replace(inner, base=_times(inner.base, w), q=_times(inner.q, w))
    return _mix(target, row, num_classes, mask)


def _times(left: list[Number], right: list[Number]) -> list[Number]:
    return [a * b for a, b in zip(left, right, strict=True)]


def _mix(target: Mix, row: int, num_classes: int, mask: list[bool]) -> ExactRow:
    first = _evaluate(target.first, row, num_classes, mask)
    second = _evaluate(target.second, row, num_classes, mask)
    lam = mpf(target.lam[row] if isinstance(target.lam, list) else target.lam)

    def mixed(left: list[Number], right: list[Number]) -> list[Number]:
        return [lam * a + (1 - lam) * b for a, b in zip(left, right, strict=True)]

    return ExactRow(
        mixed(first.base, second.base),
        mixed(first.q, second.q),
        first.support,
        dropped=first.dropped and second.dropped,
        bad=first.bad or second.bad,
    )


def _top_k(target: TopK, row: int, num_classes: int) -> ExactRow:
    q = [mpf(0)] * num_classes
    listed = [False] * num_classes
    for label, weight in zip(target.labels[row], target.weights[row], strict=True):
        if label != -100:
            q[label] += mpf(weight)
            listed[label] = True
    total = sum(q, mpf(0))
    everything = [True] * num_classes
    dropped = not any(listed)
    if target.tail == "drop":
        return ExactRow(q, q, everything, dropped=dropped)
    if target.tail == "renormalize":
        q = q if dropped else [value / total for value in q]
        return ExactRow(q, q, listed, dropped=dropped)
    return ExactRow(q, q, everything, dropped, listed=listed, bucket=1 - total, fixed_weight=mpf(1))


def _smooth(inner: ExactRow, smooth: Smooth, row: int, mask: list[bool]) -> ExactRow:
    """Replace each class k in the row by the smoothed row of the label k."""
    num_classes = len(inner.q)
    result = [mpf(0)] * num_classes
    for label, mass in enumerate(inner.q):
        if mass != 0:
            smoothed = _smoothed_label(smooth, row, label, mask)
            result = [total + mass * value for total, value in zip(result, smoothed, strict=True)]
    return replace(inner, q=result)


def _smoothed_label(smooth: Smooth, row: int, label: int, mask: list[bool]) -> list[Number]:
    if smooth.per_class is not None:
        epsilon = mpf(smooth.per_class[label])
    else:
        given = smooth.label_smoothing
        epsilon = mpf(given[row] if isinstance(given, list) else given)
    num_classes = len(mask)
    if smooth.prior is None:
        prior = [mpf(int(kept)) for kept in mask]
    else:
        given_row = smooth.prior[label] if isinstance(smooth.prior[0], list) else smooth.prior
        prior = [
            mpf(value) if kept else mpf(0) for value, kept in zip(given_row, mask, strict=True)
        ]
    if smooth.prior is None or not all(mask):
        total = sum(prior, mpf(0))
        prior = [value / total for value in prior]
    one = [mpf(int(k == label)) for k in range(num_classes)]
    if smooth.spread == "all":
        return [(1 - epsilon) * one[k] + epsilon * prior[k] for k in range(num_classes)]
    if all(prior[k] == 0 for k in range(num_classes) if k != label):
        return one
    rest = [mpf(0) if k == label else prior[k] for k in range(num_classes)]
    return [
        (1 - epsilon) * one[k] + epsilon * rest[k] / (1 - prior[label]) for k in range(num_classes)
    ]
