"""Online label smoothing: its targets, its state, and classes that nobody gets right."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits, to_numpy

FIRST = np.array([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]])
X = np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.5, 0.5, 1.0], [0.0, 2.0, 1.0], [0.5, 3.0, 0.0]])
Y = np.array([0, 1, 0, 1, 2])


def softmax(x: Any) -> Any:
    """Return the softmax of rows in float64."""
    e = np.exp(np.asarray(x, np.float64))
    return e / e.sum(axis=-1, keepdims=True)


def means(x: Any, y: Any, before: Any) -> np.ndarray:
    """Return the rows of the next epoch, class by class."""
    rows = np.array(before)
    for k in range(len(rows)):
        right = (y == k) & (np.argmax(x, axis=1) == k)
        if np.any(right):
            rows[k] = softmax(x)[right].mean(axis=0)
    return rows


def test_first_epoch(backend: Variant) -> None:
    """At first a class keeps 1 - e of the soft half, and the others share e (1 - a)."""
    smoothing = st.OnlineLabelSmoothing(3, hard_weight=0.25, label_smoothing=0.1)
    dense = smoothing.targets(backend.asarray(Y)).to_dense()
    assert_close(dense, 0.25 * np.eye(3)[Y] + 0.75 * FIRST[Y], ulps=4)
    assert smoothing.state_dict() == {}


def test_epochs(backend: Variant) -> None:
    """Rows are the mean softmax of right predictions; a class without any keeps its row."""
    for dtype in backend.dtypes:
        smoothing = st.OnlineLabelSmoothing(3)
        logits, labels = backend.asarray(X, dtype), backend.asarray(Y)
        smoothing.update(logits, labels)
        assert to_numpy(smoothing.counts).tolist() == [2, 1, 0]
        smoothing.next_epoch()
        first = means(X, Y, FIRST)
        first_rows = to_numpy(smoothing.rows)
        single = "float32" if dtype in ("float16", "bfloat16") else dtype
        assert_close(smoothing.rows, first, ulps=8, scale=1.0, dtype=single)
        # The next epoch sees one right example of class 2, and none of class 0.
        labels = backend.asarray([1, 2, 1, 1, 1])
        smoothing.update(logits, labels)
        smoothing.next_epoch()
        second = means(X, np.array([1, 2, 1, 1, 1]), first)
        assert_close(smoothing.rows, second, ulps=8, scale=1.0, dtype=single)
        np.testing.assert_array_equal(to_numpy(smoothing.rows)[0], first_rows[0])
        soft = smoothing.targets(backend.asarray([2, 0]))
        want = 0.5 * np.eye(3)[[2, 0]] + 0.5 * second[[2, 0]]
        assert_close(soft.to_dense(), want, ulps=8, scale=1.0, dtype="float32")
        assert_close(soft.mass(), [1.0, 1.0], ulps=8, dtype="float32")


def test_no_class_loses_its_row(backend: Variant) -> None:
    """Where nothing was right, or nothing was seen, all rows stay, and none has less mass."""
    smoothing = st.OnlineLabelSmoothing(3)
    smoothing.next_epoch()
    assert smoothing.rows is None
    wrong = backend.asarray((np.argmax(X, axis=1) + 1) % 3)
    smoothing.update(backend.asarray(X, "float32"), wrong)
    smoothing.next_epoch()
    assert_close(smoothing.rows, FIRST, ulps=2)
    before = smoothing.rows
    smoothing.next_epoch()
    assert smoothing.rows is before


def test_loss(backend: Variant) -> None:
    """The loss is a * hard loss + (1 - a) * loss of the soft rows (Zhang et al. 2021)."""
    wide = backend.dtypes[-1]
    logits, labels = backend.asarray(X, wide), backend.asarray(Y)
    smoothing = st.OnlineLabelSmoothing(3, hard_weight=0.7)
    smoothing.update(logits, labels)
    smoothing.next_epoch()
    loss, gradient = st.value_and_grad(st.cross_entropy)(logits, smoothing.targets(labels))
    log_p, rows = np.log(softmax(X)), means(X, Y, FIRST)
    hard = -np.mean(log_p[np.arange(5), Y])
    soft = -np.mean(np.sum(rows[Y] * log_p, axis=1))
    assert_close(loss, float(0.7 * hard + 0.3 * soft), ulps=8)
    q = 0.7 * np.eye(3)[Y] + 0.3 * rows[Y]
    assert_close(gradient, (softmax(X) - q) / 5, ulps=8, scale=0.2)


@settings(max_examples=40)
@given(seed=some.integers(0, 10**6), cuts=some.lists(some.integers(0, 30), max_size=3))
def test_order_and_batches_do_not_matter(seed: int, cuts: list[int]) -> None:
    """Counts are exact, and sums the same up to rounding, however the epoch is cut and ordered."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((30, 3)), rng.integers(0, 3, 30)
    whole, parts = st.OnlineLabelSmoothing(3), st.OnlineLabelSmoothing(3)
    whole.update(x, y)
    order = rng.permutation(30)
    for part in np.split(order, sorted(cuts)):
        parts.update(x[part], y[part])
    np.testing.assert_array_equal(parts.counts, whole.counts)
    np.testing.assert_allclose(parts.sums, whole.sums, rtol=1e-13, atol=1e-15)
    parts.next_epoch()
    np.testing.assert_allclose(parts.rows, means(x, y, FIRST), rtol=1e-12)
    names = rng.permutation(3)
    renamed = st.OnlineLabelSmoothing(3)
    renamed.update(x[:, np.argsort(names)], names[y])
    renamed.next_epoch()
    np.testing.assert_allclose(renamed.rows[np.ix_(names, names)], parts.rows, rtol=1e-12)


def test_what_does_not_count(backend: Variant) -> None:
    """Ignored labels and rows with nan count nowhere; of equal logits the first class counts."""
    x = np.array([[np.nan, 0.0, 0.0], [np.inf, 0.0, 0.0], [1.0, 1.0, 0.0], [np.nan] * 3, [0, 0, 2]])
    labels = backend.asarray([0, 0, 0, -100, 1])
    sums, counts = st.OnlineLabelSmoothing(3).count(backend.asarray(x, "float32"), labels)
    assert to_numpy(counts).tolist() == [1, 0, 0]
    assert_close(sums, [softmax(x[2]), [0.0] * 3, [0.0] * 3], ulps=4, dtype="float32")
    ignoring = st.OnlineLabelSmoothing(3, ignore_index=0)
    _, counts = ignoring.count(backend.asarray(x, "float32"), backend.asarray([0, 0, 0, 0, 2]))
    assert to_numpy(counts).tolist() == [0, 0, 1]


def test_class_axis(backend: Variant) -> None:
    """Labels of images count pixel by pixel, with the classes on any axis."""
    x = np.stack([X, X[::-1]])
    labels = np.stack([Y, Y])
    flat, images = st.OnlineLabelSmoothing(3), st.OnlineLabelSmoothing(3)
    flat.update(backend.asarray(x.reshape(10, 3), "float32"), backend.asarray(labels.ravel()))
    moved = backend.asarray(np.moveaxis(x, -1, 1), "float32")
    images.update(moved, backend.asarray(labels), axis=1)
    assert_same_bits(images.counts, flat.counts)
    assert_close(images.sums, to_numpy(flat.sums), ulps=4, dtype="float32")
    assert images.targets(backend.asarray(labels)).shape == (2, 5, 3)


def test_state(backend: Variant) -> None:
    """A state of plain arrays is everything: another object goes on from it with the same bits."""
    logits, labels = backend.asarray(X, "float32"), backend.asarray(Y)
    one, two = st.OnlineLabelSmoothing(3), st.OnlineLabelSmoothing(3)
    one.update(logits, labels)
    one.next_epoch()
    one.update(logits, labels)
    state = one.state_dict()
    assert sorted(state) == ["counts", "rows", "sums"]
    kept = {name: to_numpy(array).copy() for name, array in state.items()}
    two.load_state_dict(state)
    for smoothing in (one, two):
        smoothing.update(logits, backend.asarray((Y + 1) % 3))
        smoothing.next_epoch()
    assert_same_bits(one.rows, two.rows)
    # What was handed out is never written into.
    for name, array in state.items():
        np.testing.assert_array_equal(to_numpy(array), kept[name])
    two.load_state_dict({})
    assert two.state_dict() == {}


def test_sums_of_several_processes(backend: Variant) -> None:
    """Sums and counts of parts, added up elsewhere, are those of the whole."""
    logits, labels = backend.asarray(X, "float32"), backend.asarray(Y)
    whole, joined = st.OnlineLabelSmoothing(3), st.OnlineLabelSmoothing(3)
    whole.update(logits, labels)
    parts = [joined.count(logits[rows, :], labels[rows]) for rows in (slice(0, 2), slice(2, 5))]
    assert joined.sums is None
    joined.add(parts[0][0] + parts[1][0], parts[0][1] + parts[1][1])
    assert_same_bits(joined.counts, whole.counts)
    assert_close(joined.sums, to_numpy(whole.sums), ulps=4, scale=1.0, dtype="float32")
    assert_follows(joined.sums, whole.sums)


def test_gradients_stay_out() -> None:
    """The state holds no graph: logits that require grad are detached."""
    torch = pytest.importorskip("torch")
    smoothing = st.OnlineLabelSmoothing(3)
    logits = torch.tensor(X, requires_grad=True)
    smoothing.update(logits, torch.tensor(Y))
    assert not smoothing.sums.requires_grad  # type: ignore[union-attr]
    smoothing.next_epoch()
    st.cross_entropy(logits, smoothing.targets(torch.tensor(Y))).backward()
    assert logits.grad is not None


def test_compiled_steps() -> None:
    """Inside of jit a step counts; outside of it the sums are added."""
    jax = pytest.importorskip("jax")
    smoothing, plain = st.OnlineLabelSmoothing(3), st.OnlineLabelSmoothing(3)
    step = jax.jit(smoothing.count)
    x, y = jax.numpy.asarray(X), jax.numpy.asarray(Y)
    for _ in range(2):
        smoothing.add(*step(x, y))
        plain.update(x, y)
    assert_same_bits(smoothing.counts, plain.counts)
    assert_close(smoothing.sums, to_numpy(plain.sums), ulps=4, scale=1.0)


def test_bad_labels_where_nobody_may_look(backend: Variant) -> None:
    """A label out of range raises, or counts nowhere."""
    logits, labels = backend.asarray(X, "float32"), backend.asarray([0, 1, 0, 7, -5])
    smoothing = st.OnlineLabelSmoothing(3)
    if backend.may_look:
        with pytest.raises(ValueError, match=r"^labels must be in \[0, 3\)"):
            smoothing.update(logits, labels)
        assert smoothing.state_dict() == {}
        return
    smoothing.update(logits, labels)
    assert to_numpy(smoothing.counts).tolist() == [2, 0, 0]
