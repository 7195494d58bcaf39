"""Teachers of which only the best classes are known (trap T40)."""

import math
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, dtype_name

BOTH = st.value_and_grad(st.cross_entropy)
TAILS = ("drop", "renormalize", "bucket")
X = [[0.5, -1.25, 2.0, 0.25], [-0.75, 3.0, 1.5, -2.5], [0.125, 0.25, -0.375, 1.0]]
LABELS = [[2, 1], [0, 3], [3, 0]]
WEIGHTS = [[0.5, 0.25], [0.75, 0.25], [0.5, 0.125]]
INF = math.inf


def softmax(x: Any) -> Any:
    """Return the softmax of one row in float64."""
    e = np.exp(np.asarray(x, np.float64))
    return e / e.sum()


def row(x: list[float], labels: list[int], weights: list[float], tail: str) -> tuple[float, Any]:
    """Return loss and gradient of one row from the definition of its tail."""
    p, w = softmax(x), np.zeros(len(x))
    for label, weight in zip(labels, weights, strict=True):
        w[label] += weight
    named = np.isin(np.arange(len(x)), labels)
    if tail == "drop":
        return -np.sum(w * np.log(p)), w.sum() * p - w
    if tail == "renormalize":
        inside = np.where(named, p, 0.0) / p[named].sum()
        w = w / w.sum()
        return -np.sum(w[named] * np.log(inside[named])), inside - w
    rest, missing = np.where(named, 0.0, p), 1 - w.sum()
    if missing == 0 or named.all():
        return -np.sum(w * np.log(p)), p - w
    loss = -np.sum(w * np.log(p)) - missing * np.log(rest.sum())
    return loss, p - w - missing * rest / rest.sum()


def teacher(backend: Variant, tail: Any, labels: Any = LABELS, weights: Any = WEIGHTS) -> Any:
    """Return the targets of a teacher over four classes."""
    return st.Targets.from_top_k(
        backend.asarray(labels), backend.asarray(weights, "float32"), 4, tail=tail
    )


@pytest.mark.parametrize("tail", TAILS)
def test_tails(backend: Variant, tail: str) -> None:
    """Each tail has its own loss and gradient (T40)."""
    expected = [row(*values, tail) for values in zip(X, LABELS, WEIGHTS, strict=True)]
    x = backend.asarray(X, "float32")
    loss, gradient = BOTH(x, teacher(backend, tail), reduction="none")
    assert_close(loss, [loss for loss, _ in expected], ulps=8, scale=4.0)
    assert_close(gradient, [g for _, g in expected], ulps=8, scale=1.0)
    total = np.sum(WEIGHTS) if tail == "drop" else 3.0
    mean = st.cross_entropy(x, teacher(backend, tail))
    assert_close(mean, float(sum(loss for loss, _ in expected) / total), ulps=8)


@pytest.mark.parametrize(
    ("tail", "expected"),
    [("drop", 1.8668453679999424), ("renormalize", 0.9799283543), ("bucket", 1.9076059644443803)],
)
def test_known_losses(backend: Variant, tail: str, expected: float) -> None:
    """The losses of the teacher [0.6, 0.3 | 0.1] for x = [1, 2, 3] are the published ones (T40)."""
    targets = st.Targets.from_top_k(
        backend.asarray([[0, 1]]), backend.asarray([[0.6, 0.3]], "float32"), 3, tail=tail
    )
    loss = st.cross_entropy(backend.asarray([[1.0, 2.0, 3.0]], "float32"), targets, reduction="sum")
    assert_close(loss, expected, ulps=4, scale=3.0)


@pytest.mark.parametrize("tail", TAILS)
def test_all_classes_listed(backend: Variant, tail: str) -> None:
    """A list of all classes is the dense distribution, in any order (T40)."""
    q = np.array([[0.5, 0.25, 0.125, 0.125], [0.0, 1.0, 0.0, 0.0], [0.25] * 4])
    order = np.array([[3, 1, 0, 2], [0, 1, 2, 3], [2, 3, 1, 0]])
    targets = teacher(backend, tail, order, np.take_along_axis(q, order, axis=1))
    x = backend.asarray(X, "float32")
    ours = BOTH(x, targets, label_smoothing=0.25)
    dense = st.Targets.from_distributions(backend.asarray(q, "float32"))
    expected = BOTH(x, dense, label_smoothing=0.25)
    assert_close(ours[0], float(expected[0]), ulps=8)
    assert_close(ours[1], backend.to_numpy(expected[1]), ulps=8, scale=0.5)


@pytest.mark.parametrize("tail", TAILS)
def test_padding(backend: Variant, tail: str) -> None:
    """Padding has no mass whatever its weight is, and a row of padding takes no part (T40)."""
    labels = [[2, 1, -100], [-100] * 3, [3, -100, 0]]
    padded = teacher(backend, tail, labels, [[0.5, 0.25, 7.0], [0.5] * 3, [0.5, 9.0, 0.125]])
    holding = np.array([X[0], [np.nan, np.inf, -np.inf, 0.0], X[2]])
    x = backend.asarray(holding, "float32")
    loss, gradient = BOTH(x, padded, reduction="none")
    first, last = (row(X[i], LABELS[i], WEIGHTS[i], tail) for i in (0, 2))
    assert_close(loss, [first[0], 0.0, last[0]], ulps=8, scale=4.0)
    assert_close(gradient, [first[1], np.zeros(4), last[1]], ulps=8, scale=1.0)
    total = np.sum(WEIGHTS[0] + WEIGHTS[2]) if tail == "drop" else 2.0
    assert_close(st.cross_entropy(x, padded), float((first[0] + last[0]) / total), ulps=8)
    assert_close(
        padded.mass(), [1.0, 0, 1] if tail != "drop" else [0.75, 0, 0.625], ulps=2, dtype="float32"
    )


def test_another_padding_label(backend: Variant) -> None:
    """ignore_index names the label of padding."""
    targets = st.Targets.from_top_k(
        backend.asarray([[2, -1]]),
        backend.asarray([[0.5, 0.5]], "float32"),
        4,
        tail="drop",
        ignore_index=-1,
    )
    assert_close(targets.to_dense(), [[0.0, 0.0, 0.5, 0.0]], ulps=0)


@pytest.mark.parametrize("tail", TAILS)
def test_a_class_named_twice(backend: Variant, tail: str) -> None:
    """A class that is named twice has both weights."""
    twice = teacher(backend, tail, [[2, 1, 2]] * 3, [[0.25, 0.25, 0.25]] * 3)
    once = teacher(backend, tail, [[2, 1]] * 3, [[0.5, 0.25]] * 3)
    x = backend.asarray(X, "float32")
    ours, expected = BOTH(x, twice), BOTH(x, once)
    assert_close(ours[0], float(expected[0]), ulps=4)
    assert_close(ours[1], backend.to_numpy(expected[1]), ulps=4, scale=0.5)


@pytest.mark.parametrize("tail", ["drop", "renormalize"])
def test_minus_infinity_outside_the_list(backend: Variant, tail: str) -> None:
    """Classes that are not listed may have a logit of -inf (T40)."""
    x = [[1.0, -INF, 2.0, -INF]]
    targets = teacher(backend, tail, [[0, 2]], [[0.25, 0.5]])
    loss, gradient = BOTH(backend.asarray(x, "float32"), targets, reduction="sum")
    kept, weights = softmax([1.0, 2.0]), np.array([0.25, 0.5])
    weights = weights / 0.75 if tail == "renormalize" else weights
    assert_close(loss, float(-np.sum(weights * np.log(kept))), ulps=8)
    a, b = weights.sum() * kept - weights
    assert_close(gradient, [[a, 0.0, b, 0.0]], ulps=8, scale=1.0)


def test_a_bucket_at_minus_infinity(backend: Variant) -> None:
    """A bucket whose classes are all at -inf has probability 0: +inf, unless it is empty (T40)."""
    x = backend.asarray([[1.0, -INF, 2.0, -INF]] * 2, "float32")
    targets = teacher(backend, "bucket", [[0, 2]] * 2, [[0.25, 0.5], [0.25, 0.75]])
    loss, gradient = BOTH(x, targets, reduction="none")
    p = softmax([1.0, 2.0])
    full = float(-np.sum([0.25, 0.75] * np.log(p)))
    assert_close(loss, [INF, full], ulps=8)
    expected = [[p[0] - 0.25, 0.0, p[1] - 0.5, 0.0], [p[0] - 0.25, 0.0, p[1] - 0.75, 0.0]]
    assert_close(gradient, expected, ulps=8, scale=1.0)


def test_a_bucket_far_away(backend: Variant) -> None:
    """A bucket whose probability underflows has an exact loss and a finite gradient."""
    x = backend.asarray([[0.0, -300.0, 0.0, -300.0]], "float32")
    loss, gradient = BOTH(x, teacher(backend, "bucket", [[0, 2]], [[0.25, 0.25]]))
    # lse = log 2; -0.5 * (-300 + log 2) of the bucket
    assert_close(loss, math.log(2) + 0.5 * (300 - math.log(2)), ulps=2)
    assert_close(gradient, [[0.25, -0.25, 0.25, -0.25]], ulps=2)


@pytest.mark.parametrize("tail", TAILS)
def test_smoothed_teachers(backend: Variant, tail: str) -> None:
    """Smoothing moves mass of list and bucket alike onto the classes that take part."""
    targets = teacher(backend, tail).smooth(0.25)
    if tail == "bucket":
        loss, _ = BOTH(backend.asarray(X, "float32"), targets, reduction="none")
        expected = [
            0.75 * row(*values, tail)[0] - 0.25 * np.mean(np.log(softmax(values[0])))
            for values in zip(X, LABELS, WEIGHTS, strict=True)
        ]
        assert_close(loss, expected, ulps=8, scale=4.0)
        assert_close(targets.mass(), [1.0] * 3, ulps=2)
        return
    dense = backend.to_numpy(targets.to_dense(dtype=backend.xp.float32))
    q = np.zeros((3, 4))
    for i, (labels, weights) in enumerate(zip(LABELS, WEIGHTS, strict=True)):
        q[i, labels] = weights if tail == "drop" else np.array(weights) / np.sum(weights)
    inside = np.full((3, 4), True) if tail == "drop" else q > 0
    share = 0.25 * q.sum(axis=1, keepdims=True) * inside / inside.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(dense, 0.75 * q + share, rtol=0, atol=2.0**-23)


def test_mixed_teachers(backend: Variant) -> None:
    """The loss of a mixture with a teacher is the mixture of the losses."""
    labels = st.Targets.from_labels(backend.asarray([1, -100, 3]), 4)
    x = backend.asarray(X, "float32")
    for tail in ("drop", "bucket"):
        parts = [BOTH(x, t, reduction="sum") for t in (teacher(backend, tail), labels)]
        mixed = BOTH(x, teacher(backend, tail).mix(labels, 0.25), reduction="sum")
        for ours, a, b in zip(mixed, *parts, strict=True):
            expected = 0.25 * backend.to_numpy(a) + 0.75 * backend.to_numpy(b)
            assert_close(ours, expected, ulps=8, scale=2.0)


@pytest.mark.parametrize("tail", TAILS)
def test_rows_of_a_teacher(backend: Variant, tail: str) -> None:
    """Rows of a teacher are taken with their list, padding and bucket."""
    x = backend.asarray(X, "float32")
    whole = backend.to_numpy(st.cross_entropy(x, teacher(backend, tail), reduction="none"))
    part = teacher(backend, tail)[1:]
    assert part.shape == (2, 4)
    assert_close(st.cross_entropy(x[1:, :], part, reduction="none"), whole[1:], ulps=2, scale=2.0)
    order = np.array([2, 0])
    taken = teacher(backend, tail)[backend.asarray(order)]
    rows = backend.asarray(np.array(X)[order], "float32")
    assert_close(st.cross_entropy(rows, taken, reduction="none"), whole[order], ulps=2, scale=2.0)


def test_dtypes_of_weights(backend: Variant) -> None:
    """Weights of any floating dtype are brought to the compute dtype of the logits."""
    for dtype in backend.dtypes:
        targets = st.Targets.from_top_k(
            backend.asarray([[0, 1]]), backend.asarray([[0.5, 0.25]], dtype), 4, tail="bucket"
        )
        loss = st.cross_entropy(backend.asarray([[1.0, 2.0, 3.0, 4.0]], "float32"), targets)
        assert dtype_name(loss) == "float32"
        assert_close(loss, row([1, 2, 3, 4], [0, 1], [0.5, 0.25], "bucket")[0], ulps=4, scale=4.0)


def test_class_mask(backend: Variant) -> None:
    """A masked class leaves the list's softmax and the bucket."""
    mask = backend.asarray([True, True, False, True])
    x = backend.asarray([[1.0, 2.0, 9.0, 0.5]], "float32")
    for tail in TAILS:
        targets = teacher(backend, tail, [[0, 1]], [[0.5, 0.25]])
        loss, gradient = BOTH(x, targets, class_mask=mask, reduction="sum")
        value, slope = row([1.0, 2.0, 0.5], [0, 1], [0.5, 0.25], tail)
        assert_close(loss, float(value), ulps=8)
        assert_close(gradient, [[slope[0], slope[1], 0.0, slope[2]]], ulps=8, scale=1.0)
