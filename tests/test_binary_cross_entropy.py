"""Binary cross-entropy: what it shares with two classes, infinite logits, answers, peers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits
from tests.losses import once_per_library, silent_on_dask
from tests.reference import widest

once = once_per_library()
BOTH = st.value_and_grad(st.binary_cross_entropy)
X = np.random.default_rng(2).standard_normal((6, 3)) * 3
T = np.random.default_rng(3).random((6, 3))
ANSWERS = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 1], [0, 0, 1]])
INF = float("inf")


@pytest.mark.parametrize(
    ("smoothing", "expected"), [(0.1, 0.295095), (st.convert_smoothing(0.1, 2), 0.370095)]
)
def test_golden_values(backend: Variant, smoothing: float, expected: float) -> None:
    """The meanings "half" and "full" of 0.1 have their published losses."""
    dtype = widest(backend)[0]
    x, t = backend.asarray([2.0, -1.0], dtype), backend.asarray([1.0, 0.0], dtype)
    loss = st.binary_cross_entropy(x, t, label_smoothing=smoothing)
    np.testing.assert_allclose(backend.to_numpy(loss), expected, rtol=0, atol=5.1e-7)


def test_three_conventions(backend: Variant) -> None:
    """1 - e/2 and e/2, 1 - e and e, 1 - e + e/K and e/K are all there."""
    dtype = widest(backend)[0]
    x = backend.asarray(X, dtype)
    for words, low, high in (
        ({"label_smoothing": 0.1}, 0.05, 0.95),
        ({"label_smoothing": st.convert_smoothing(0.1, 2)}, 0.1, 0.9),
        ({"label_smoothing": 0.1, "prior": 1 / 3}, 0.1 / 3, 0.9 + 0.1 / 3),
        ({"label_smoothing": 0.1, "prior": backend.asarray(np.full(3, 1 / 3), dtype)},
         0.1 / 3, 0.9 + 0.1 / 3),
    ):  # fmt: skip
        dense = backend.asarray(np.where(ANSWERS == 1, high, low), dtype)
        for targets in (backend.asarray(ANSWERS), backend.asarray(ANSWERS, dtype)):
            ours = BOTH(x, targets, **words)
            for got, want in zip(ours, BOTH(x, dense), strict=True):
                assert_close(got, want, ulps=8, scale=1.0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_two_classes(backend: Variant, smoothing: float) -> None:
    """With logits (0, x) the softmax gives the same for the same smoothing."""
    dtype = widest(backend)[0]
    x, answers = backend.asarray(X, dtype), backend.asarray(ANSWERS)
    pairs = backend.asarray(np.stack([np.zeros_like(X), X], axis=-1), dtype)
    ours, slope = BOTH(x, answers, axis=None, label_smoothing=smoothing, reduction="none")
    words = {"label_smoothing": smoothing, "reduction": "none"}
    theirs, slopes = st.value_and_grad(st.cross_entropy)(pairs, answers, **words)
    # Each of both rounds its exponential, its logarithm and their sum.
    assert_close(ours, theirs, ulps=2, scale=1.0)
    assert_close(slope, slopes[:, :, 1], ulps=2, scale=1.0)


def test_optimum(backend: Variant) -> None:
    """The loss is least at log((2 - e) / e): Newton's method ends there, and the gradient is 0."""
    dtype = widest(backend)[0]
    x, gap = np.zeros(1), np.log(1.9 / 0.1)
    for _ in range(8):
        given, answer = backend.asarray(x, dtype), backend.asarray([1])
        _, slope = BOTH(given, answer, label_smoothing=0.1, axis=None)
        p = 1 / (1 + np.exp(-x))
        x = x - backend.to_numpy(slope).astype(float) / (p * (1 - p))
    np.testing.assert_allclose(x, gap, rtol=1e-12 if dtype == "float64" else 1e-5)
    assert abs(gap - 2.9444389792) < 1e-10


@silent_on_dask
def test_infinite_logits(backend: Variant) -> None:
    """An infinite or huge logit on the right side costs nothing, on the wrong side all of it."""
    for dtype in widest(backend):
        x = backend.asarray([INF, -INF, 1e9, -1e9, 40.0, INF, -INF, 40.0], dtype)
        answers = [1, 0, 1, 0, 1, 0, 1, 0]
        small = np.exp(-40.0)
        losses = [0.0, 0.0, 0.0, 0.0, small, INF, INF, 40.0]
        slopes = [0.0, 0.0, 0.0, 0.0, -small, 1.0, -1.0, 1.0]
        for targets in (backend.asarray(answers), backend.asarray(answers, dtype)):
            loss, slope = BOTH(x, targets, axis=None, reduction="none")
            assert_close(loss, losses, ulps=8)
            assert_close(slope, slopes, ulps=8)
        smooth = st.binary_cross_entropy(x, targets, axis=None, label_smoothing=0.1,
                                         reduction="none")  # fmt: skip
        np.testing.assert_array_equal(backend.to_numpy(smooth)[[0, 1, 5, 6]], INF)
        none = {"class_weight": backend.asarray(np.zeros(8), dtype)}
        nothing = st.binary_cross_entropy(x, targets, reduction="sum", **none)
        assert backend.to_numpy(nothing) == 0
        nan = backend.asarray([np.nan], dtype)
        assert np.isnan(
            backend.to_numpy(st.binary_cross_entropy(nan, backend.asarray([1.0], dtype)))
        )


def test_autograd_at_hard_places() -> None:
    """At 0 and at infinity torch's expression has the right first and second derivatives."""
    torch = pytest.importorskip("torch")
    x = torch.tensor([0.0, INF, -INF, 50.0], dtype=torch.float64, requires_grad=True)
    answers = torch.tensor([1, 1, 0, 0])
    smoothing = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    words = {"axis": None, "reduction": "sum"}
    loss = st.binary_cross_entropy(x, answers, label_smoothing=smoothing, **words)
    (slope,) = torch.autograd.grad(loss, x, create_graph=True)
    np.testing.assert_allclose(slope.detach(), [-0.5, 0.0, 0.0, 1.0], rtol=1e-15)
    (second,) = torch.autograd.grad(slope.sum(), x)
    np.testing.assert_allclose(second, [0.25, 0.0, 0.0, np.exp(-50)], rtol=1e-12)
    row = st.binary_cross_entropy(x, answers, axis=None, reduction="none")
    row.backward(torch.tensor([2.0, 0.0, 1.0, -1.0], dtype=torch.float64))
    np.testing.assert_allclose(x.grad, [-1.0, 0.0, 0.0, -1.0], rtol=1e-15)


def test_forms_of_targets(backend: Variant) -> None:
    """Answers, floats, labels, dense and compact `Targets` that mean the same give the same."""
    dtype = widest(backend)[0]
    labels = np.array([2, 0, 1, 1, 0, 2])
    x, hot = backend.asarray(X, dtype), np.eye(3)[labels]
    want = BOTH(x, backend.asarray(hot, dtype), label_smoothing=0.1)
    compact = st.Targets.from_labels(backend.asarray(labels), 3)
    weight = backend.asarray([1.0, 3.0, 0.5], dtype)
    for targets in (
        backend.asarray(labels),
        backend.asarray(hot.astype(int)),
        compact,
        st.Targets.from_distributions(backend.asarray(hot, dtype)),
    ):
        for got, expected in zip(BOTH(x, targets, label_smoothing=0.1), want, strict=True):
            assert_same_bits(got, expected)
    both = BOTH(x, compact, class_weight=backend.asarray([1.0, 9.0, 0.25], dtype))
    once = BOTH(x, compact.weighted(weight), class_weight=weight)
    alone = BOTH(x, compact.weighted(backend.asarray([1.0, 9.0, 0.25], dtype)))
    for got, expected, other in zip(once, both, alone, strict=True):
        assert_same_bits(got, expected)
        assert_same_bits(other, expected)
    mixed = compact.mix(compact[backend.asarray([5, 4, 3, 2, 1, 0])], 0.75)
    dense = backend.asarray(0.75 * hot + 0.25 * hot[::-1], dtype)
    for got, expected in zip(BOTH(x, mixed), BOTH(x, dense), strict=True):
        assert_close(got, expected, ulps=4, scale=1.0)


@silent_on_dask
def test_ignored_answers(backend: Variant) -> None:
    """An answer that is ignored leaves the sum, the gradient and the denominator."""
    dtype = widest(backend)[0]
    answers = ANSWERS.copy()
    answers[0, 1], answers[3] = -100, -100
    data = np.where(answers < 0, np.nan, X)
    x = backend.asarray(data, dtype)
    weight = backend.asarray([1.0, 2.0, 4.0], dtype)
    for words in ({}, {"class_weight": weight}):
        loss, slope = BOTH(x, backend.asarray(answers), **words)
        flat = np.flatnonzero(answers.ravel() >= 0)
        entries = backend.asarray(X.ravel()[flat], dtype)
        w = np.tile([1.0, 2.0, 4.0], 6)[flat] if words else np.ones(flat.size)
        want, slopes = BOTH(
            entries, backend.asarray(answers.ravel()[flat]), axis=None,
            sample_weight=backend.asarray(w, dtype), denominator=float(w.sum()),
        )  # fmt: skip
        assert_close(loss, want, ulps=16)
        got = backend.to_numpy(slope).ravel()
        assert_close(np.ascontiguousarray(got[flat]), slopes, ulps=16, scale=1.0)
        np.testing.assert_array_equal(np.delete(got, flat), 0.0)
    where = backend.asarray([True, False, True, False, True, True])
    held = answers.copy()
    held[[1, 3]] = 7
    masked = BOTH(x, backend.asarray(held), where=where)
    assert np.all(np.isfinite(backend.to_numpy(masked[1])))


@silent_on_dask
def test_bad_answers(backend: Variant) -> None:
    """An answer out of range raises where looking is free, and is nan elsewhere."""
    x = backend.asarray(X, widest(backend)[0])
    for targets in (np.where(ANSWERS == 1, 2, 0), np.array([0, 1, 3, 0, 0, 0])):
        given = backend.asarray(targets)
        if backend.may_look:
            with pytest.raises(ValueError, match=r"^targets must be in \[0, "):
                st.binary_cross_entropy(x, given)
            continue
        loss, slope = BOTH(x, given, reduction="none")
        bad = targets == 2 if targets.ndim == 2 else np.repeat(targets == 3, 3).reshape(6, 3)
        np.testing.assert_array_equal(np.isnan(backend.to_numpy(loss)), bad.any(axis=1))
        np.testing.assert_array_equal(np.isnan(backend.to_numpy(slope)), bad)


@silent_on_dask
def test_every_logit_a_row(backend: Variant) -> None:
    """Without a class axis every logit has a loss, a smoothing, a weight and a mask of its own."""
    dtype = widest(backend)[0]
    v, e = np.arange(18.0).reshape(6, 3), np.linspace(0, 1, 18).reshape(6, 3)
    where = np.arange(18).reshape(6, 3) % 5 != 2
    data = np.where(where, X, np.nan)
    loss, slope = BOTH(
        backend.asarray(data, dtype), backend.asarray(T, dtype), axis=None, reduction="none",
        label_smoothing=backend.asarray(e, dtype), sample_weight=backend.asarray(v, dtype),
        where=backend.asarray(where), pos_weight=backend.asarray(2.0, dtype),
    )  # fmt: skip
    t = (1 - e) * T + e / 2
    p = 1 / (1 + np.exp(-X))
    want = np.where(where, -v * (2 * t * np.log(p) + (1 - t) * np.log(1 - p)), 0)
    slopes = np.where(where, v * ((1 - t) * p - 2 * t * (1 - p)), 0)
    assert_close(loss, want, ulps=64, scale=16.0)
    assert_close(slope, slopes, ulps=64, scale=16.0)
    scalar = BOTH(backend.asarray(0.5, dtype), backend.asarray(1.0, dtype), axis=None)
    assert tuple(scalar[1].shape) == ()


def combinations(*options: Any) -> list[Any]:
    return list(itertools.product(*options))


@pytest.mark.parametrize(("weighted", "dtype"), combinations((False, True), ("f4", "f8")))
def test_torch(weighted: bool, dtype: str) -> None:
    """torch gives the same for probabilities, with its weight of yes, entry by entry and on
    average.
    """
    torch = pytest.importorskip("torch")
    x, t = (torch.tensor(a.astype(dtype)) for a in (X, T))
    u = torch.tensor(np.array([0.5, 2.0, 7.0], dtype)) if weighted else None
    words = {} if u is None else {"pos_weight": u}
    theirs = torch.nn.functional.binary_cross_entropy_with_logits
    assert_close(st.binary_cross_entropy(x, t, **words), theirs(x, t, **words), ulps=8)
    rows = theirs(x, t, reduction="none", **words).sum(1)
    assert_close(st.binary_cross_entropy(x, t, reduction="none", **words), rows, ulps=8)


def test_optax_and_scikit_learn() -> None:
    """optax and scikit-learn give the same where they define it."""
    optax = pytest.importorskip("optax")
    jax = pytest.importorskip("jax")
    metrics = pytest.importorskip("sklearn.metrics")
    with jax.enable_x64(True):
        theirs = np.asarray(optax.sigmoid_binary_cross_entropy(X, T))
    ours = st.binary_cross_entropy(X, T, axis=None, reduction="none")
    assert_close(ours, theirs, ulps=8, scale=1.0)
    p = 1 / (1 + np.exp(-X[:, 0]))
    want = float(metrics.log_loss(ANSWERS[:, 0], p))
    mine = st.binary_cross_entropy(X[:, 0], ANSWERS[:, 0])
    assert_close(mine, want, ulps=16, scale=1.0)


def test_several_labels_per_row(backend: Variant) -> None:
    """Rows such as [1, 0, 1] are targets here, one decision each, and none of a softmax (T35)."""
    dtype = widest(backend)[0]
    x, t = backend.asarray(X, dtype), backend.asarray(ANSWERS, dtype)
    rows = backend.to_numpy(st.binary_cross_entropy(x, t, label_smoothing=0.1, reduction="none"))
    p, soft = 1 / (1 + np.exp(-X)), 0.9 * ANSWERS + 0.05
    want = -np.sum(soft * np.log(p) + (1 - soft) * np.log(1 - p), axis=1)
    assert_close(rows, want, ulps=32, scale=4.0)
    if backend.may_look:
        with pytest.raises(ValueError, match=r"^rows of targets must sum to 1"):
            st.cross_entropy(x, t)
