"""What all losses have in common: one meaning of masks, weights, axes, reductions and dtypes."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets.execution import plan
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits, to_numpy
from tests.losses import LOSSES, Loss, once_per_library
from tests.reference import widest

RNG = np.random.default_rng(11)
X = RNG.standard_normal((4, 5)) * 2
LABELS = np.array([2, 0, 4, 4])
Q = RNG.dirichlet(np.ones(5), 4)
W = np.array([1.0, 2.0, 0.5, 0.0, 1.5])
V = np.array([1.0, 2.0, 0.0, 0.5])
E = np.array([0.1, 0.3, 0.05, 0.25])

once = once_per_library("test_oracle", "test_dtypes", "test_numbers_as_arrays")
every = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)


def wide(backend: Variant, *arrays: Any) -> list[Any]:
    """The arrays in the widest dtype of the backend."""
    return [backend.asarray(array, widest(backend)[0]) for array in arrays]


def near(actual: Any, expected: Any, ulps: float = 64) -> None:
    """Sums of 5 classes of about 16 roundings each, all below 16 in size."""
    expected = to_numpy(expected) if hasattr(expected, "shape") else np.asarray(expected)
    assert_close(actual, expected, ulps=ulps, scale=4.0)


@every
@pytest.mark.parametrize("kind", ["labels", "dense"])
def test_oracle(backend: Variant, loss: Loss, kind: str) -> None:
    """Loss and gradient are those of 60 digits, with smoothing and all weights."""
    if kind == "dense" and loss.smoothing is None:
        pytest.skip(f"{loss.name} takes labels")
    q = np.eye(5)[LABELS] if kind == "labels" else Q
    dtype = widest(backend)[0]
    # The numbers that the library is given, rounded as it gets them.
    x, q32, w, v, e = (np.asarray(a, dtype).astype(float) for a in (X, q, W, V, E))
    losses, gradients = loss.expected(x, q32, w, e)
    targets = backend.asarray(LABELS) if kind == "labels" else backend.asarray(q, dtype)
    given, weight, sample, amount = wide(backend, X, W, V, E)
    words = {"class_weight": weight, "sample_weight": sample, "label_smoothing": amount}
    value, gradient = loss.with_gradient(given, targets, reduction="none", **words)
    near(value, v * losses)
    near(gradient, v[:, None] * gradients)
    mean, gradient = loss.with_gradient(given, targets, **words)
    total = np.sum(v * loss.row_weight(q32, w))
    near(mean, np.sum(v * losses) / total)
    near(gradient, v[:, None] * gradients / total)
    assert_same_bits(loss(given, targets, **words), mean)


@every
def test_dtypes(backend: Variant, loss: Loss) -> None:
    """Half precision gives a loss in float32 and a gradient in its own dtype."""
    for dtype in backend.dtypes:
        x = backend.asarray(X, dtype)
        value, gradient = loss.with_gradient(x, backend.asarray(LABELS))
        assert_follows(value, x, dtype="float64" if dtype == "float64" else "float32")
        assert_follows(gradient, x)
        wanted = loss.with_gradient(
            backend.asarray(backend.to_numpy(x), "float32"), backend.asarray(LABELS)
        )
        assert_close(value, wanted[0], ulps=16, scale=4.0, dtype="float32")
        assert_close(
            gradient,
            wanted[1],
            ulps=1 if "float16" in dtype else 64,
            scale=1.0,
            dtype=dtype if "float16" in dtype else "float32",
        )


@every
def test_numbers_as_arrays(backend: Variant, loss: Loss) -> None:
    """Numbers may be 0-d arrays, and wide ones do not widen the result."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    numbers = {
        name: backend.asarray(value, widest(backend)[0])
        for name, value in ({"label_smoothing": 0.25} | loss.words).items()
        if isinstance(value, float) and name != "weight"
    }
    plain = {name: float(backend.to_numpy(value)) for name, value in numbers.items()}
    want, slope = loss.with_gradient(x, labels, **plain)
    value, gradient = loss.with_gradient(x, labels, **numbers)
    assert_follows(value, x)
    assert_follows(gradient, x)
    near(value, want)
    near(gradient, slope)


@every
def test_rows_that_take_no_part(backend: Variant, loss: Loss) -> None:
    """Rows out of `where` and ignored labels may hold anything; their gradient is exactly 0."""
    bad = X.copy()
    bad[1], bad[3] = [np.nan, np.inf, -np.inf, 1.0, np.nan], -np.inf
    labels = LABELS.copy()
    labels[1] = 99
    x, clean = wide(backend, bad, X[[0, 2]])
    amount = backend.asarray([0.1, np.nan, 0.2, 0.2], widest(backend)[0])
    ignored = labels.copy()
    ignored[[1, 3]] = -100
    q = np.where(np.isfinite(bad), Q, np.nan)
    masked = {"where": backend.asarray([True, False, True, False])}
    kept = backend.asarray([0.1, 0.2], widest(backend)[0])
    expected = loss.with_gradient(clean, backend.asarray(LABELS[[0, 2]]), label_smoothing=kept)
    number = loss.with_gradient(clean, backend.asarray(LABELS[[0, 2]]), label_smoothing=0.1)
    soft = None
    if loss.smoothing is not None:
        soft = loss.with_gradient(clean, backend.asarray(Q[[0, 2]], widest(backend)[0]))
    cases = [
        (expected, backend.asarray(labels), {**masked, "label_smoothing": amount}),
        (number, backend.asarray(ignored), {"label_smoothing": 0.1}),
        (soft, backend.asarray(q, widest(backend)[0]), masked),
    ]
    for want, targets, words in cases[: None if loss.smoothing else 2]:
        value, gradient = loss.with_gradient(x, targets, **words)
        near(value, want[0])
        near(gradient[0, :], want[1][0, :])
        near(gradient[2, :], want[1][1, :])
        rest = backend.to_numpy(gradient)[[1, 3]]
        np.testing.assert_array_equal(rest, 0.0)
        rows = loss(x, targets, reduction="none", **words)
        np.testing.assert_array_equal(backend.to_numpy(rows)[[1, 3]], 0.0)
        near(loss(x, targets, reduction="sum", **words), np.sum(backend.to_numpy(rows)))


@every
def test_nothing_is_kept(backend: Variant, loss: Loss) -> None:
    """A mean of nothing is nan, a sum 0, and the gradient of both exactly 0."""
    (x,) = wide(backend, X)
    targets = backend.asarray(np.full(4, -100))
    for reduction, expected in (("mean", np.nan), ("sum", 0.0)):
        value, gradient = loss.with_gradient(x, targets, reduction=reduction)
        np.testing.assert_array_equal(backend.to_numpy(value), expected)
        np.testing.assert_array_equal(backend.to_numpy(gradient), 0.0)
    (x,) = wide(backend, X[:0])
    value, gradient = loss.with_gradient(x, backend.asarray(LABELS[:0]), reduction="none")
    assert tuple(value.shape) == (0,)
    assert tuple(gradient.shape) == (0, 5)


@every
def test_masked_classes(backend: Variant, loss: Loss) -> None:
    """A masked class is as good as not there: it leaves logits, prior and K."""
    if loss.smoothing is None:
        pytest.skip(f"{loss.name} has a matrix over all classes")
    keep = np.array([True, True, True, False, True])
    few = np.flatnonzero(keep)
    bad = np.where(keep, X, np.nan)
    x, less, q, weight, light = wide(
        backend, bad, X[:, few], np.where(keep, Q, 0) / Q[:, few].sum(1, keepdims=True), W, W[few]
    )
    for targets, fewer in (
        (backend.asarray(LABELS), backend.asarray(np.searchsorted(few, LABELS))),
        (q, backend.asarray(backend.to_numpy(q)[:, few], widest(backend)[0])),
    ):
        kinds: list[Any] = [{}, {"label_smoothing": 0.2}, {"class_weight": weight}]
        masks = [keep, np.broadcast_to(keep, X.shape)]
        if backend.row in ("jax", "dask"):  # each call takes them long
            kinds, masks = [kinds[1] | kinds[2]], masks[1:]
        for words in kinds:
            other = {name: light if name == "class_weight" else v for name, v in words.items()}
            for mask in masks:
                value, gradient = loss.with_gradient(
                    x, targets, class_mask=backend.asarray(mask), **words
                )
                want = loss.with_gradient(less, fewer, **other)
                near(value, want[0])
                got = backend.to_numpy(gradient)
                near(got[:, few], want[1])
                np.testing.assert_array_equal(got[:, 3], 0.0)


@every
def test_weights_of_rows(backend: Variant, loss: Loss) -> None:
    """A row of weight 2 counts as two rows, and the means of parts add up with a denominator."""
    x, twice = wide(backend, X, X[[0, 0, 1, 3]])
    (v,) = wide(backend, [2.0, 1.0, 0.0, 1.0])
    whole = loss.with_gradient(x, backend.asarray(LABELS), sample_weight=v, label_smoothing=0.1)
    rows = loss(twice, backend.asarray(LABELS[[0, 0, 1, 3]]), label_smoothing=0.1)
    near(whole[0], rows)
    parts = [
        loss(x[i : i + 2, :], backend.asarray(LABELS[i : i + 2]), denominator=7.0) for i in (0, 2)
    ]
    near(loss(x, backend.asarray(LABELS), denominator=7.0), sum(map(backend.to_numpy, parts)))


@every
def test_axis(backend: Variant, loss: Loss) -> None:
    """The class axis may be anywhere, and rows may have any shape."""
    data = np.random.default_rng(3).standard_normal((2, 3, 5))
    labels, q = np.array([[0, 4, 2], [1, 1, 3]]), np.random.default_rng(4).dirichlet(np.ones(5), 6)
    flat, soft = wide(backend, data.reshape(6, 5), q)
    for kind in ("labels", "dense")[: 2 if loss.smoothing else 1]:
        targets = backend.asarray(labels.reshape(6)) if kind == "labels" else soft
        want = loss.with_gradient(flat, targets, label_smoothing=0.1, reduction="none")
        for axis in (0, 1, -1):
            x, moved = wide(
                backend, np.moveaxis(data, -1, axis), np.moveaxis(q.reshape(2, 3, 5), -1, axis)
            )
            targets = backend.asarray(labels) if kind == "labels" else moved
            value, gradient = loss.with_gradient(
                x, targets, axis=axis, label_smoothing=0.1, reduction="none"
            )
            near(value, np.reshape(backend.to_numpy(want[0]), (2, 3)))
            back = np.moveaxis(backend.to_numpy(gradient), axis, -1)
            near(np.ascontiguousarray(back.reshape(6, 5)), want[1])


@every
@pytest.mark.parametrize("classes", [3, 70])
def test_blocks_change_nothing(
    backend: Variant, loss: Loss, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of two rows and of all rows give the same bits, into a buffer or not."""
    if not (backend.backend.writable and backend.may_look):
        pytest.skip(f"{backend.name}: always run as a whole")
    rng = np.random.default_rng(8)
    x = backend.asarray(rng.standard_normal((11, classes)), "float32")
    labels = rng.integers(0, classes, 11)
    labels[4] = -100
    mask = rng.random((11, classes)) < 0.8
    mask[np.arange(11), np.maximum(labels, 0)] = True
    e = backend.asarray(rng.random(11) * 0.5, "float32")
    words = {"class_mask": backend.asarray(mask), "label_smoothing": e}
    if loss.function is st.backward_correction:
        del words["class_mask"]
    results = []
    for entries in (10**9, 2 * classes):
        monkeypatch.setattr(plan, "HOST_ENTRIES", entries)
        for extra in ({}, words):
            results.append(loss.with_gradient(x, backend.asarray(labels), **extra))
    for first, second in zip(results[:2], results[2:], strict=True):
        assert_same_bits(second[0], first[0])
        assert_same_bits(second[1], first[1])
    if not backend.read_only:
        buffer = backend.asarray(backend.to_numpy(x), "float32")
        loss.with_gradient(buffer, backend.asarray(labels), out=buffer, **words)
        assert_same_bits(buffer, results[1][1])


SHARED = (
    "label_smoothing", "class_weight", "sample_weight", "where", "class_mask", "ignore_index",
    "axis", "reduction", "denominator",
)  # fmt: skip


@every
def test_signatures(loss: Loss) -> None:
    """The keywords that all losses have come in one order and with one default."""
    mine = inspect.signature(loss.function).parameters
    model = inspect.signature(st.cross_entropy).parameters
    shared = [name for name in mine if name in SHARED]
    assert shared == [name for name in model if name in shared]
    missing = {"backward correction": {"class_mask", "label_smoothing"}}
    rest = missing.get(loss.name, set() if loss.smoothing == SHARED[0] else {SHARED[0]})
    assert set(SHARED) - set(shared) == rest
    for name in shared:
        assert mine[name].default == model[name].default
        assert mine[name].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("name", ["cross_entropy", "distillation", "kl_divergence"])
def test_signatures_of_linear_losses(name: str) -> None:
    """The loss of a linear layer takes what that of logits takes, after the layer."""
    linear = inspect.signature(getattr(st, f"linear_{name}")).parameters
    plain = inspect.signature(getattr(st, name)).parameters
    logits, targets, *rest = plain
    layer = ["features", "weight", targets, "bias", "block_bytes"]
    assert logits in ("logits", "student_logits")
    assert list(linear) == layer + rest
    for word in rest:
        assert linear[word].default == plain[word].default
        assert linear[word].kind is inspect.Parameter.KEYWORD_ONLY
