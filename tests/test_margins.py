"""MaxSup and MbLS: what they share with label smoothing, ties, optima."""

from __future__ import annotations

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close
from tests.losses import once_per_library, silent_on_dask
from tests.reference import widest

once = once_per_library()
RNG = np.random.default_rng(12)
X = RNG.standard_normal((6, 5)) * 3
LABELS = np.array([0, 3, 1, 1, 2, 4])
MAX, MARGIN = st.value_and_grad(st.max_suppression), st.value_and_grad(st.margin_smoothing)


def test_right_predictions(backend: Variant) -> None:
    """Where the label has the largest logit MaxSup is label smoothing of the same strength."""
    dtype = widest(backend)[0]
    x = backend.asarray(X, dtype)
    best = backend.asarray(np.argmax(X, axis=1))
    want = st.value_and_grad(st.cross_entropy)(x, best, label_smoothing=0.2)
    for found in (MAX(x, best, strength=0.2), MARGIN(x, best, strength=0.2, margin=0.0)):
        assert_close(found[0], want[0], ulps=32, scale=8.0)
        assert_close(found[1], want[1], ulps=32, scale=1.0)


def test_wrong_predictions(backend: Variant) -> None:
    """MaxSup exceeds the cross-entropy by strength (max x - mean x), whatever the label is."""
    dtype = widest(backend)[0]
    x, labels = backend.asarray(X, dtype), backend.asarray(LABELS)
    rows = {"reduction": "none"}
    plain = backend.to_numpy(st.cross_entropy(x, labels, **rows))
    for strength in (0.3, backend.asarray(0.3, dtype)):
        loss = st.max_suppression(x, labels, strength=strength, **rows)
        assert_close(loss, plain + 0.3 * (X.max(1) - X.mean(1)), ulps=32, scale=8.0)


def test_inside_the_margin(backend: Variant) -> None:
    """Logits that lie within the margin cost nothing more, to the last bit of the gradient."""
    dtype = widest(backend)[0]
    x, labels = backend.asarray(X, dtype), backend.asarray(LABELS)
    want = st.value_and_grad(st.cross_entropy)(x, labels)
    loss, slope = MARGIN(x, labels, margin=100.0)
    assert_close(loss, want[0], ulps=1)
    assert_close(slope, want[1], ulps=4, scale=1.0)


def test_ties(backend: Variant) -> None:
    """Classes that share the maximum share its derivative, in the closed form and in autograd."""
    dtype = widest(backend)[0]
    x = backend.asarray([[1.0, 1.0, -1.0, 0.0], [2.0, 2.0, 2.0, 2.0]], dtype)
    labels = backend.asarray([0, 1])
    _, plain = st.value_and_grad(st.cross_entropy)(x, labels, reduction="sum")
    _, slope = MAX(x, labels, strength=1.0, reduction="sum")
    extra = np.array([[0.25, 0.25, -0.25, -0.25], [0.0] * 4])
    assert_close(slope, backend.to_numpy(plain) + extra, ulps=16, scale=1.0)
    if backend.row == "torch":
        leaf = x.clone().requires_grad_(True)
        strength = backend.asarray(1.0, dtype).requires_grad_(True)  # so that the expression runs
        st.max_suppression(leaf, labels, strength=strength, reduction="sum").backward()
        assert_close(leaf.grad, slope, ulps=16, scale=1.0)


def test_offset(backend: Variant) -> None:
    """An offset of all logits changes nothing."""
    dtype = widest(backend)[0]
    whole = np.round(X)
    x, far = backend.asarray(whole, dtype), backend.asarray(whole + 2.0**16, dtype)
    labels = backend.asarray(LABELS)
    for function in (MAX, MARGIN):
        for got, want in zip(function(far, labels), function(x, labels), strict=True):
            assert_close(got, want, ulps=0)


@silent_on_dask
def test_infinite_logits(backend: Variant) -> None:
    """A class that nobody masked cannot be switched off: at -inf the penalty is infinite."""
    dtype = widest(backend)[0]
    x = backend.asarray([[0.0, 1.0, -np.inf], [-np.inf] * 3, [np.nan, 0.0, 0.0]], dtype)
    labels = backend.asarray([0, 1, 2])
    mask = backend.asarray([True, True, False])
    got = backend.to_numpy(st.max_suppression(x, labels, reduction="none"))
    np.testing.assert_array_equal(got, [np.inf, np.nan, np.nan])
    first = st.max_suppression(x[:1, :], labels[:1], class_mask=mask, strength=0.5)
    assert_close(first, np.log(1 + np.e) + 0.5 * 0.5, ulps=8)


@pytest.mark.parametrize(("margin", "strength"), [(0.0, 0.1), (2.0, 0.1), (10.0, 0.1), (1.0, 0.5)])
def test_optimal_gap(margin: float, strength: float) -> None:
    """The best gap for a hard label is max(margin, log(1 + K (1 - s) / s)), by bisection."""
    low, high, count = 0.0, 50.0, 10
    for _ in range(60):
        gap = (low + high) / 2
        x = np.zeros((1, count))
        x[0, 0] = gap
        _, slope = MARGIN(x, np.array([0]), margin=margin, strength=strength)
        low, high = (low, gap) if slope[0, 0] > 0 else (gap, high)
    expected = max(margin, np.log(1 + count * (1 - strength) / strength))
    np.testing.assert_allclose(low, expected, rtol=1e-12)
