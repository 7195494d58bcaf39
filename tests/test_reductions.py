"""From row losses to one number: the denominator of a mean, sums over many rows."""

from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets.losses.reductions import REDUCTIONS, make_reducer
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits

BOTH = st.value_and_grad(st.cross_entropy)
X = [[0.5, -1.25, 2.0, 0.25], [-0.75, 3.0, 1.5, -2.5], [0.125, 0.25, -0.375, 1.0]]
LABELS = [2, 0, 3]
V = np.array([2.0, 0.0, 0.5])
W = np.array([1.0, 2.0, 0.5, 4.0])


def row_losses() -> Any:
    """Return logsumexp(x) - x_y of each row in float64."""
    x = np.array(X)
    return np.log(np.sum(np.exp(x), axis=1)) - x[np.arange(3), LABELS]


def test_three_reductions(backend: Variant) -> None:
    """The losses of "none" are v loss, "sum" adds them, "mean" divides by the sum of v."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    loss = row_losses()
    for v, given in ((np.ones(3), None), (V, V), (V * 2, (V * 2).astype(np.int64))):
        words = {}
        if given is not None:
            kind = "float32" if given.dtype == float else None
            words["sample_weight"] = backend.asarray(given, kind)
        expected = {"none": v * loss, "sum": np.sum(v * loss), "mean": np.sum(v * loss) / v.sum()}
        for reduction in REDUCTIONS:
            ours, gradient = BOTH(x, labels, reduction=reduction, **words)
            assert_close(ours, np.asarray(expected[reduction]), ulps=4, scale=4.0)
            assert_follows(ours, x)
            assert_follows(gradient, x)
    assert_same_bits(st.cross_entropy(x, labels), st.cross_entropy(x, labels, reduction="mean"))


def test_shape_of_rows(backend: Variant) -> None:
    """The losses of "none" have the shape of the rows, a sum or a mean has none."""
    data = np.array([X, X, X, X]).reshape(2, 2, 3, 4)
    labels = np.array([LABELS] * 4).reshape(2, 2, 3)
    for axis in (-1, 1):
        x = backend.asarray(np.moveaxis(data, -1, axis), "float32")
        for reduction, shape in (("none", (2, 2, 3)), ("sum", ()), ("mean", ())):
            loss = st.cross_entropy(x, backend.asarray(labels), axis=axis, reduction=reduction)
            assert tuple(loss.shape) == shape


def test_known_means(backend: Variant) -> None:
    """The weighted sum, mean and mean over rows of arange(6) are the published ones."""
    wide = backend.dtypes[-1]
    x = backend.asarray(np.arange(6.0).reshape(2, 3), wide)
    labels, weight = backend.asarray([0, 1]), backend.asarray([1.0, 2.0, 3.0], wide)
    # Row losses are log(1 + e + e^2) = 2.40760596 and 1.40760596, with weights 1 and 2.
    total, smooth = 5.222817893333142, 5.130245156444246
    for words, expected in (
        ({"reduction": "sum"}, total),
        ({}, total / 3),
        ({"denominator": 2.0}, total / 2),
        ({"label_smoothing": 0.1}, smooth / 3),
        ({"label_smoothing": 0.1, "reduction": "sum"}, smooth),
    ):
        loss = st.cross_entropy(x, labels, class_weight=weight, **words)
        assert_close(loss, expected, ulps=4)


def test_denominator_of_each_kind(backend: Variant) -> None:
    """The mean divides by the sum of v <q before smoothing, w>, whatever the targets are."""
    x, v, w = (backend.asarray(a, "float32") for a in (X, V, W))
    q = np.array([[0.5, 0.25, 0.25, 0.0], [0.0, 1.0, 0.0, 0.0], [0.125, 0.125, 0.5, 0.25]])
    one_hot = np.eye(4)[LABELS]
    labels = st.Targets.from_labels(backend.asarray(LABELS), 4)
    dense = st.Targets.from_distributions(backend.asarray(q, "float32"))
    weights = np.array([[0.5, 0.25], [0.75, 0.0], [0.5, 0.5]])
    listed = np.array([[2, 1], [0, 1], [3, 0]])
    top = np.zeros((3, 4))
    np.put_along_axis(top, listed, weights, axis=1)
    arrays = backend.asarray(listed), backend.asarray(weights, "float32"), 4
    kinds = [
        (labels, one_hot),
        (dense, q),
        (labels.mix(dense, 0.25), 0.25 * one_hot + 0.75 * q),
        (st.Targets.from_top_k(*arrays, tail="drop"), top),
        (st.Targets.from_top_k(*arrays, tail="renormalize"), top / top.sum(axis=1, keepdims=True)),
    ]
    for targets, base in kinds:
        value = targets.smooth(0.25)
        total = st.cross_entropy(x, value, sample_weight=v, class_weight=w, reduction="sum")
        mean = st.cross_entropy(x, value, sample_weight=v, class_weight=w)
        weight = np.sum(V * (base @ W))
        assert_close(mean, float(backend.to_numpy(total) / weight), ulps=4)
    bucket = st.Targets.from_top_k(*arrays, tail="bucket")
    total = st.cross_entropy(x, bucket, sample_weight=v, reduction="sum")
    mean = st.cross_entropy(x, bucket, sample_weight=v)
    assert_close(mean, float(backend.to_numpy(total) / V.sum()), ulps=4)


def test_another_denominator(backend: Variant) -> None:
    """denominator= replaces the divisor in loss and gradient, as number or as array."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    total, gradient = BOTH(x, labels, reduction="sum")
    counted = backend.asarray(8, "int32")
    for given in (8, 8.0, np.float64(8), backend.asarray(8.0, "float32"), counted):
        ours = BOTH(x, labels, denominator=given)
        assert_close(ours[0], float(total) / 8, ulps=1)
        assert_close(ours[1], backend.to_numpy(gradient) / 8, ulps=2, scale=2.0**-5)


def test_empty_micro_batches_add_nothing(backend: Variant) -> None:
    """With a given denominator a batch without kept rows is 0, so that batches add up."""
    x = backend.asarray(X, "float32")
    loss, gradient = BOTH(x, backend.asarray([-100] * 3), denominator=8.0, label_smoothing=0.1)
    assert_close(loss, 0.0, ulps=0)
    assert np.all(backend.to_numpy(gradient) == 0)


def test_class_weights_of_labels_are_sample_weights(backend: Variant) -> None:
    """Without smoothing a class weight w is the sample weight w[y], penalties included."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    terms = {"z_loss": 0.125, "confidence_penalty": 0.25}
    for reduction in REDUCTIONS:
        by_class = BOTH(
            x, labels, class_weight=backend.asarray(W, "float32"), reduction=reduction, **terms
        )
        by_row = BOTH(
            x,
            labels,
            sample_weight=backend.asarray(W[LABELS], "float32"),
            reduction=reduction,
            **terms,
        )
        for ours, expected in zip(by_class, by_row, strict=True):
            assert_close(ours, backend.to_numpy(expected), ulps=8, scale=4.0)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradients_follow_the_reduction(backend: Variant, reduction: str) -> None:
    """The gradient of a row is v (p - q), divided as the loss is."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    p = np.exp(np.array(X))
    rows = V[:, None] * (p / p.sum(axis=1, keepdims=True) - np.eye(4)[LABELS])
    _, gradient = BOTH(x, labels, sample_weight=backend.asarray(V, "float32"), reduction=reduction)
    assert_close(gradient, rows / (V.sum() if reduction == "mean" else 1.0), ulps=4, scale=1.0)


def test_a_million_rows(backend: Variant, rng: np.random.Generator) -> None:
    """Sums over a million rows lose no more than a few ulp."""
    data = rng.normal(0, 3, (1_000_003, 2)).astype(np.float32)
    labels = (rng.random(1_000_003) < 0.3).astype(np.int8)
    x = backend.asarray(data)
    loss = st.cross_entropy(x, backend.asarray(labels), label_smoothing=0.1)
    gap = data[:, 1].astype(np.float64) - data[:, 0]
    q = 0.05 + 0.9 * labels
    exact = np.mean(np.logaddexp(0.0, gap) - q * gap)
    assert_close(loss, float(exact), ulps=8)


def test_reducer_of_numbers_and_columns(backend: Variant) -> None:
    """A reducer takes row weights as one number for all rows or as a column."""
    xp = backend.xp
    like = backend.asarray(np.ones((4, 3)), "float32")
    losses = backend.asarray([[1.0], [2.0], [4.0], [8.0]], "float32")
    column = backend.asarray([[1.0], [0.0], [0.5], [0.5]], "float32")
    for row_weight, sample_weight, denominator, mean in (
        (1.0, None, None, 15 / 4),
        (0.5, None, None, 15 / 2),
        (0.5, column, None, 7 / 1),
        (column, None, None, 15 / 2),
        (column, column, None, 7 / 1.5),
        (column, None, 3.0, 5.0),
    ):
        reducer = make_reducer(xp, "mean", row_weight, like, (4,), sample_weight, denominator)
        assert_close(reducer.value(losses), mean, ulps=1)
        scale = np.broadcast_to(backend.to_numpy(reducer.scale()), (4, 1))
        total = np.sum(scale * backend.to_numpy(losses))
        np.testing.assert_allclose(total, mean, rtol=2.0**-22)
    plain = make_reducer(xp, "none", 1.0, like, (2, 2), None, None)
    assert tuple(plain.value(losses).shape) == (2, 2)
    assert plain.scale() == 1.0
    assert_close(make_reducer(xp, "sum", 1.0, like, (4,), None, None).value(losses), 15.0, ulps=0)
