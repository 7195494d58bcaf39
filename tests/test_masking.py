"""Ignored rows, masks and denominators: what takes no part leaves no trace (traps T1 to T9)."""

from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits

X = [[0.5, -1.25, 2.0, 0.25], [-0.75, 3.0, 1.5, -2.5], [0.125, 0.25, -0.375, 1.0]]
LABELS = [2, 0, 3]
CLASS_WEIGHT = [1.0, 2.0, 0.5, 4.0]
BOTH = st.value_and_grad(st.cross_entropy)


def log_sum_exp(x: Any) -> Any:
    """Return log sum_k exp(x_k) along the last axis, in float64."""
    return np.log(np.sum(np.exp(np.asarray(x, np.float64)), axis=-1))


def smooth_rows(labels: list[int], epsilon: float, count: int = 4) -> Any:
    """Return (1 - e) onehot + e / K."""
    return (1 - epsilon) * np.eye(count)[labels] + epsilon / count


def weighted_losses(x: Any, q: Any, class_weight: Any) -> Any:
    """Return -sum_k w_k q_k log p_k of each row, in float64."""
    x = np.asarray(x, np.float64)
    return np.sum(np.asarray(class_weight) * q * (log_sum_exp(x)[:, None] - x), axis=1)


def test_smoothing_does_not_count_ignored_rows(backend: Variant) -> None:
    """The mean is over kept rows also where smoothing is on, whatever the others hold (T1)."""
    for dtype in backend.dtypes:
        first, second = (
            st.cross_entropy(
                backend.asarray([[0.3, last], [1.0, 2.0]], dtype),
                backend.asarray([-100, 1]),
                label_smoothing=0.1,
            )
            for last in (0.4, 0.6)
        )
        alone = st.cross_entropy(
            backend.asarray([[1.0, 2.0]], dtype), backend.asarray([1]), label_smoothing=0.1
        )
        assert_same_bits(first, second)
        # log(e + e^2) - (0.95 * 2 + 0.05 * 1) = 0.363262
        assert_close(first, float(np.log(np.e + np.e**2) - 1.95), ulps=4, scale=2.0)
        assert_close(alone, 0.36326168751822286, ulps=4, scale=2.0)


@pytest.mark.parametrize("ignore_index", [-100, -2, 2, 255])
def test_class_weight_of_an_ignored_label_is_not_looked_up(
    backend: Variant, ignore_index: int
) -> None:
    """A label to ignore needs no class weight, wherever it points (T2)."""
    for dtype in (backend.dtypes[0], "float32"):
        weight = backend.asarray([0.25, 0.5], dtype)
        x = backend.asarray([[1.0, 2.0], [3.0, 0.5]], dtype)
        labels = backend.asarray([ignore_index, 1])
        words = {"class_weight": weight, "label_smoothing": 0.125}
        loss, gradient = BOTH(x, labels, ignore_index=ignore_index, **words)
        alone, alone_gradient = BOTH(x[1:, :], labels[1:], **words)
        (expected,) = weighted_losses([[3.0, 0.5]], smooth_rows([1], 0.125, 2), [0.25, 0.5]) / 0.5
        assert_close(loss, float(expected), ulps=8, scale=3.0)
        assert_close(alone, float(expected), ulps=8, scale=3.0)
        assert_same_bits(gradient[1, :], alone_gradient[0, :])
        assert_same_bits(abs(gradient[0, :]), backend.asarray([0.0, 0.0], dtype))


@pytest.mark.parametrize(
    ("ignore_index", "reduction"),
    [(-100, "mean"), (-1, "none"), (0, "sum"), (0, "mean"), (3, "none"), (4, "mean"), (255, "sum")],
)
def test_any_label_can_be_the_ignored_one(
    backend: Variant, ignore_index: int, reduction: str
) -> None:
    """The sentinel may lie below, inside or above the classes (T3)."""
    labels = [2, ignore_index, 1]
    x = backend.asarray(X, "float32")
    words = {"label_smoothing": 0.25, "reduction": reduction, "class_weight": None}
    words["class_weight"] = backend.asarray(CLASS_WEIGHT, "float32")
    loss, gradient = BOTH(x, backend.asarray(labels), ignore_index=ignore_index, **words)
    losses = weighted_losses(X, smooth_rows([2, 0, 1], 0.25), CLASS_WEIGHT)
    losses[1] = 0.0
    divide = {"none": losses, "sum": np.sum(losses), "mean": np.sum(losses) / (0.5 + 2.0)}
    assert_close(loss, np.asarray(divide[reduction]), ulps=8, scale=4.0)
    assert np.all(backend.to_numpy(gradient)[1] == 0)
    targets = st.Targets.from_labels(backend.asarray(labels), 4, ignore_index=ignore_index)
    for ours, same in zip((loss, gradient), BOTH(x, targets, **words), strict=True):
        assert_same_bits(same, ours)


def test_a_sentinel_that_is_a_class_of_other_calls(backend: Variant) -> None:
    """A sentinel inside the classes ignores that class and no other label (T3)."""
    x = backend.asarray(X, "float32")
    kept = st.cross_entropy(x, backend.asarray([2, 3, 1]), reduction="none")
    some = st.cross_entropy(x, backend.asarray([2, 3, 1]), ignore_index=3, reduction="none")
    assert_same_bits(some[0], kept[0])
    assert_same_bits(some[2], kept[2])
    assert backend.to_numpy(some)[1] == 0
    assert backend.to_numpy(kept)[1] > 0


NOTHING = {
    "labels": lambda b, n: {"targets": b.asarray(np.full(n, -100))},
    "where": lambda b, n: {"where": b.asarray(np.zeros(n, bool))},
    "class weights": lambda b, n: {"class_weight": b.asarray(np.zeros(4), "float32")},
    "sample weights": lambda b, n: {"sample_weight": b.asarray(np.zeros(n), "float32")},
}


TERMS = {"label_smoothing": 0.1, "z_loss": 0.01, "confidence_penalty": 0.1}


@pytest.mark.parametrize("rows", [3, 0])
@pytest.mark.parametrize("terms", [{}, TERMS], ids=["plain", "all terms"])
@pytest.mark.parametrize("nothing", NOTHING)
def test_nothing_is_left(
    backend: Variant, nothing: str, terms: dict[str, float], rows: int
) -> None:
    """Without weight the mean is nan, the sum 0 and every gradient exactly 0 (T4)."""
    words = {"targets": backend.asarray(np.array(LABELS[:rows], np.int64))}
    words |= NOTHING[nothing](backend, rows)
    x = backend.asarray(np.array(X)[:rows], "float32")
    for reduction, expected in (("mean", np.nan), ("sum", 0.0), ("none", np.zeros(rows))):
        loss, gradient = BOTH(x, reduction=reduction, **words, **terms)
        assert_close(loss, expected, ulps=0)
        assert tuple(gradient.shape) == (rows, 4)
        assert np.all(backend.to_numpy(gradient) == 0)


@pytest.mark.parametrize("content", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("mask", ["ignore_index", "where"])
def test_dropped_rows_may_hold_anything(backend: Variant, mask: str, content: float) -> None:
    """Infinities and nan in a dropped row reach neither loss nor gradient (T5)."""
    labels, words = [2, 0, 3], {}
    if mask == "where":
        words["where"] = backend.asarray([True, False, True])
    else:
        labels[1] = -100
    words |= TERMS
    words["class_weight"] = backend.asarray(CLASS_WEIGHT, "float32")
    holding = [X[0], [content, content, 1.0, content], X[2]]
    for dtype, reduction in ((backend.dtypes[0], "none"), ("float32", "sum"), ("float32", "mean")):
        clean, full = (
            BOTH(backend.asarray(x, dtype), backend.asarray(labels), reduction=reduction, **words)
            for x in (X, holding)
        )
        assert_same_bits(full[0], clean[0])
        assert_same_bits(full[1], clean[1])
        assert np.all(np.isfinite(backend.to_numpy(full[0])))
        assert np.all(backend.to_numpy(full[1])[1] == 0)


DROPPED = {
    "a label": {"targets": [2, 77, 3]},
    "a distribution": {"targets": [[0.5, 0.5, 0.0, 0.0], [np.nan, -1.0, 7.0, 0.0], [0.0, 0, 1, 0]]},
    "a sample weight": {"sample_weight": [1.0, np.nan, 2.0]},
    "a smoothing": {"label_smoothing": [0.25, np.nan, 0.5]},
}


@pytest.mark.parametrize("what", DROPPED)
def test_other_arguments_of_a_dropped_row_may_hold_anything(backend: Variant, what: str) -> None:
    """What belongs to a dropped row is neither checked nor used (T5)."""
    (name, bad), *_ = DROPPED[what].items()
    results = []
    for value in (bad, [bad[0], bad[2], bad[2]]):
        array = backend.asarray(value, "float32" if isinstance(bad[0], float | list) else None)
        words = {"targets": backend.asarray(LABELS)} | {name: array}
        x = backend.asarray(X, "float32")
        results.append(BOTH(x, where=backend.asarray([True, False, True]), **words))
    assert_same_bits(results[0][0], results[1][0])
    assert_same_bits(results[0][1], results[1][1])
    assert np.all(np.isfinite(backend.to_numpy(results[0][0])))


@pytest.mark.parametrize(
    ("axis", "reduction", "epsilon", "weighted"),
    [
        (-1, "mean", 0.25, True),
        (0, "mean", 0.0, False),
        (0, "none", 0.25, False),
        (-1, "sum", 0.0, True),
    ],
)
def test_the_kind_of_target_does_not_matter(
    backend: Variant, axis: int, reduction: str, epsilon: float, weighted: bool
) -> None:
    """Labels, one-hot rows, pairs and lists of one class have one denominator (T6)."""
    labels = backend.asarray(LABELS)
    value = st.Targets.from_labels(labels, 4)
    one_hot = st.one_hot(labels, 4, axis=axis, dtype=backend.xp.float32)
    ones = backend.asarray(np.ones((3, 1)), "float32")
    kinds = [
        labels,
        one_hot,
        value,
        st.Targets.from_distributions(one_hot, axis=axis),
        value.mix(st.Targets.from_labels(backend.asarray([0, 1, 1]), 4), 1.0),
        value.mix(value, 0.25),
        *(
            st.Targets.from_top_k(labels[:, None], ones, 4, tail=tail)
            for tail in ("drop", "bucket")
        ),
    ]
    x = backend.asarray(np.moveaxis(np.array(X), -1, axis), "float32")
    q, w, kept = smooth_rows(LABELS, epsilon), np.ones(4), np.ones(3)
    words: dict[str, Any] = {"label_smoothing": epsilon, "axis": axis, "reduction": reduction}
    if weighted:
        kinds.pop()  # a bucket has no class weights
        w, kept = np.array(CLASS_WEIGHT), np.array([1.0, 0.0, 1.0])
        words["class_weight"] = backend.asarray(w, "float32")
        words["where"] = backend.asarray(kept == 1)
    losses = weighted_losses(X, q, w) * kept
    total = np.sum(w[LABELS] * kept)
    expected = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / total}[reduction]
    gradients = []
    for kind in kinds:
        loss, gradient = BOTH(x, kind, **words)
        assert_close(loss, np.asarray(expected), ulps=8, scale=8.0)
        gradients.append(gradient)
    for gradient in gradients[1:]:
        assert_close(gradient, gradients[0], ulps=8, scale=4.0)


@pytest.mark.parametrize("weights", [False, True])
def test_chunks_add_up_to_the_mean(backend: Variant, weights: bool) -> None:
    """Sums of chunks over sums of their weights give the mean, with unequal counts (T7)."""
    labels = np.array([0, -100, 2, -100, -100, 1, 3, 1, 1])
    x = np.array(X * 3) * np.linspace(0.5, 2.0, 9)[:, None]
    words: dict[str, Any] = {"label_smoothing": 0.1}
    weight = np.ones(4)
    if weights:
        weight = np.array(CLASS_WEIGHT)
        words["class_weight"] = backend.asarray(CLASS_WEIGHT, "float32")
    full, gradient = BOTH(backend.asarray(x, "float32"), backend.asarray(labels), **words)
    total = sum(weight[y] for y in labels if y >= 0)
    sums, means, parts = 0.0, 0.0, []
    for start, stop in ((0, 3), (3, 6), (6, 9)):
        chunk = backend.asarray(x[start:stop], "float32"), backend.asarray(labels[start:stop])
        sums += float(st.cross_entropy(*chunk, reduction="sum", **words))
        mean, part = BOTH(*chunk, denominator=total, **words)
        means += float(mean)
        parts.append(backend.to_numpy(part))
    assert_close(full, sums / total, ulps=16)
    assert_close(full, means, ulps=16)
    assert_close(gradient, np.concatenate(parts), ulps=8, scale=0.25)


@pytest.mark.parametrize("penalty", ["z_loss", "confidence_penalty"])
def test_penalties_share_mask_weights_and_denominator(backend: Variant, penalty: str) -> None:
    """A penalty is averaged over the rows, and with the weights, of its loss (T8)."""
    v, where = np.array([2.0, 1.0, 0.5]), np.array([True, False, True])
    words: dict[str, Any] = {
        "sample_weight": backend.asarray(v, "float32"),
        "where": backend.asarray(where),
        "class_weight": backend.asarray(CLASS_WEIGHT, "float32"),
        "label_smoothing": 0.1,
    }
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    log_p = np.array(X) - log_sum_exp(X)[:, None]
    entropy = -np.sum(np.exp(log_p) * log_p, axis=1)
    term = 0.25 * (log_sum_exp(X) ** 2 if penalty == "z_loss" else -entropy)
    r = v * where * np.array(CLASS_WEIGHT)[LABELS]
    for reduction, divide in (("sum", 1.0), ("mean", r.sum())):
        plain = st.cross_entropy(x, labels, reduction=reduction, **words)
        with_term = st.cross_entropy(x, labels, reduction=reduction, **words, **{penalty: 0.25})
        assert_close(with_term - plain, float(np.sum(r * term) / divide), ulps=32, scale=8.0)


@pytest.mark.parametrize("classes", ["vector", "rows", "one row"])
def test_masks_compose(backend: Variant, classes: str) -> None:
    """Masks of rows and classes work together with weights and smoothing (T9)."""
    mask = {
        "vector": [True, True, True, False],
        "one row": [[True, True, True, False]],
        "rows": [[True, False, True, True], [False] * 4, [True, True, True, True]],
    }[classes]
    labels = [2, 0, 1]
    where = np.array([True, False, True])
    rows = np.broadcast_to(np.array(mask), (3, 4))
    expected = []
    for row in (0, 2):
        inside = np.flatnonzero(rows[row])
        x = np.array(X)[row, inside]
        q = 0.75 * (inside == labels[row]) + 0.25 / inside.size
        a = q * np.array(CLASS_WEIGHT)[inside]
        expected.append(np.sum(a * (log_sum_exp(x) - x)))
    mean = sum(expected) / (CLASS_WEIGHT[2] + CLASS_WEIGHT[1])
    words = {"label_smoothing": 0.25, "where": backend.asarray(where)}
    words["class_mask"] = backend.asarray(mask)
    words["class_weight"] = backend.asarray(CLASS_WEIGHT, "float32")
    for targets in (labels, np.eye(4, dtype=np.float32)[labels]):
        x = backend.asarray(X, "float32")
        loss, gradient = BOTH(x, backend.asarray(targets), **words)
        assert_close(loss, float(mean), ulps=8, scale=4.0)
        assert np.all(backend.to_numpy(gradient)[~(rows & where[:, None])] == 0)
