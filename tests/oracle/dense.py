"""Targets as dense NumPy rows in any floating dtype: simple loops, one row at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tests.oracle.case import Case, Dense, Labels, Mix, Smooth, Target, TopK, Weighted

Array = Any


@dataclass(frozen=True)
class DenseRows:
    """Targets of all rows: `base` before smoothing, `q` after, both of shape (rows, classes).

    `support` marks the classes over which the softmax runs and `listed` those that a teacher with
    a bucket of mass `bucket` names; `fixed` says that the weight of a row is 1 whatever `base` is.
    """

    base: Array
    q: Array
    dropped: Array
    bad: Array
    support: Array
    listed: Array = None
    bucket: Array = None
    fixed: bool = False


def class_mask(case: Case) -> Array:
    """The class mask of `case` for each row, all true when there is none."""
    shape = (case.num_rows, case.num_classes)
    given = case.keywords.get("class_mask")
    return np.ones(shape, bool) if given is None else np.broadcast_to(np.asarray(given), shape)


def dense_rows(case: Case, dtype: Any) -> DenseRows:
    """The targets of `case`, smoothed by its keywords, with every step done in `dtype`."""
    mask = class_mask(case)
    rows = _evaluate(case.target, mask, np.dtype(dtype).type)
    words = case.keywords
    if "label_smoothing" in words:
        smooth = Smooth(
            case.target, words["label_smoothing"], words.get("prior"), words.get("spread", "all")
        )
        rows = replace(rows, q=_smooth(rows.q, smooth, mask, np.dtype(dtype).type))
    return rows


def _evaluate(target: Target, mask: Array, real: Any) -> DenseRows:
    if isinstance(target, Labels):
        return _labels(target, mask, real)
    if isinstance(target, TopK):
        return _top_k(target, mask, real)
    if isinstance(target, Dense):
        q = np.asarray(target.q, dtype=real)
        nothing = np.zeros(len(mask), bool)
        return DenseRows(q, q, nothing, nothing, np.ones_like(mask))
    if isinstance(target, Mix):
        return _mix(target, mask, real)
    inner = _evaluate(target.of, mask, real)
    if isinstance(target, Smooth):
        return replace(inner, q=_smooth(inner.q, target, mask, real))
    weight = np.asarray(target.class_weight, dtype=real)
    assert isinstance(target, Weighted)
    return replace(inner, base=inner.base * weight, q=inner.q * weight)


def _labels(target: Labels, mask: Array, real: Any) -> DenseRows:
    labels = np.asarray(target.labels)
    dropped = labels == target.ignore_index
    bad = ~dropped & ((labels < 0) | (labels >= target.num_classes))
    q = np.zeros(mask.shape, dtype=real)
    good = ~dropped & ~bad
    q[good, labels[good]] = 1
    return DenseRows(q, q, dropped, bad, np.ones_like(mask))


def _mix(target: Mix, mask: Array, real: Any) -> DenseRows:
    first = _evaluate(target.first, mask, real)
    second = _evaluate(target.second, mask, real)
    lam = np.asarray(target.lam, dtype=real)
    lam = lam[:, None] if lam.ndim else lam
    other = real(1) - lam
    return DenseRows(
        lam * first.base + other * second.base,
        lam * first.q + other * second.q,
        first.dropped & second.dropped,
        first.bad | second.bad,
        first.support,
    )


def _top_k(target: TopK, mask: Array, real: Any) -> DenseRows:
    q = np.zeros(mask.shape, dtype=real)
    listed = np.zeros(mask.shape, bool)
    for row, (labels, weights) in enumerate(zip(target.labels, target.weights, strict=True)):
        for label, weight in zip(labels, weights, strict=True):
            if label != -100:
                q[row, label] += real(weight)
                listed[row, label] = True
    dropped = ~np.any(listed, axis=1)
    bad = np.zeros_like(dropped)
    total = np.sum(q, axis=1, keepdims=True)
    if target.tail == "drop":
        return DenseRows(q, q, dropped, bad, np.ones_like(mask))
    if target.tail == "renormalize":
        q = q / np.where(dropped[:, None], real(1), total)
        return DenseRows(q, q, dropped, bad, listed | dropped[:, None])
    bucket = real(1) - total[:, 0]
    return DenseRows(q, q, dropped, bad, np.ones_like(mask), listed, bucket, fixed=True)


def _smooth(q: Array, smooth: Smooth, mask: Array, real: Any) -> Array:
    result = np.zeros_like(q)
    for row in range(q.shape[0]):
        for label in np.flatnonzero(q[row]):
            smoothed = _smoothed_label(smooth, row, int(label), mask[row], real)
            result[row] += q[row, label] * smoothed
    return result


def _smoothed_label(smooth: Smooth, row: int, label: int, mask: Array, real: Any) -> Array:
    if smooth.per_class is not None:
        epsilon = real(smooth.per_class[label])
    else:
        given = smooth.label_smoothing
        epsilon = real(given[row] if isinstance(given, list) else given)
    if smooth.prior is None:
        prior = np.where(mask, real(1) / real(np.sum(mask)), real(0))
    else:
        table = np.asarray(smooth.prior, dtype=real)
        prior = np.where(mask, table[label] if table.ndim == 2 else table, real(0))
        if not np.all(mask):
            prior = prior / np.sum(prior)
    others = prior.copy()
    others[label] = 0
    smoothed = epsilon * prior
    if smooth.spread == "others":
        if not np.any(others):
            epsilon = real(0)
        # The mass of the other classes is summed, not 1 - prior: no cancellation.
        smoothed = epsilon * others / (np.sum(others) if np.any(others) else real(1))
    smoothed[label] += real(1) - epsilon
    return smoothed
