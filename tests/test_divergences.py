"""Divergences: what they share with the cross-entropy, limits, zeros and infinities, peers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits
from tests.losses import once_per_library, silent_on_dask
from tests.reference import widest

once = once_per_library()
X = np.random.default_rng(2).standard_normal((6, 4)) * 2
Q = np.random.default_rng(3).dirichlet(np.ones(4), 6)
INF = float("inf")
KL, JS = st.value_and_grad(st.kl_divergence), st.value_and_grad(st.js_divergence)


def test_golden_value(backend: Variant) -> None:
    """KL(q || p) of [0, 1/4, 3/4] at [1, 2, 3] is the published 0.095271."""
    dtype = widest(backend)[0]
    x, q = backend.asarray([[1.0, 2.0, 3.0]], dtype), backend.asarray([[0.0, 0.25, 0.75]], dtype)
    loss = backend.to_numpy(st.kl_divergence(x, q))
    np.testing.assert_allclose(loss, 0.095271, rtol=0, atol=5e-7)


@pytest.mark.parametrize("kind", ["labels", "mixed", "bucket", "drop", "renormalize", "weighted"])
def test_cross_entropy_less_entropy(backend: Variant, kind: str) -> None:
    """KL is the cross-entropy minus the entropy of the targets, with the same gradient (T38)."""
    dtype = widest(backend)[0]
    x, labels = backend.asarray(X, dtype), backend.asarray([0, 1, 3, 2, 2, 1])
    t = st.Targets.from_labels(labels, 4)
    words: dict[str, Any] = {"label_smoothing": 0.2}
    q = 0.8 * np.eye(4)[[0, 1, 3, 2, 2, 1]] + 0.05
    w = np.ones(4)
    if kind == "mixed":
        t = t.mix(t[backend.asarray([5, 4, 3, 2, 1, 0])], 0.25)
        q = 0.25 * q + 0.75 * q[::-1]
    if kind == "weighted":
        w = np.array([1.0, 2.0, 0.0, 0.5])
        words["class_weight"] = backend.asarray(w, dtype)
    entropy = -np.sum(w * q * np.log(q), axis=1)
    if kind in ("bucket", "drop", "renormalize"):
        words = {}
        best = backend.asarray([[0, 1], [1, 2], [3, 0], [2, 1], [2, 3], [1, 3]])
        shares = np.full((6, 2), [0.5, 0.25])
        t = st.Targets.from_top_k(best, backend.asarray(shares, dtype), 4, tail=kind)
        rest = {"bucket": [0.25], "drop": [], "renormalize": []}[kind]
        known = np.array([0.5, 0.25, *rest])
        known = known / known.sum() if kind == "renormalize" else known
        entropy = np.full(6, -np.sum(known * np.log(known)))
    for reduction in ("none", "mean"):
        ours, slope = KL(x, t, reduction=reduction, **words)
        both = st.value_and_grad(st.cross_entropy)(x, t, reduction=reduction, **words)
        assert_same_bits(slope, both[1])
        if reduction == "none":
            assert_close(ours, backend.to_numpy(both[0]) - entropy, ulps=16, scale=2.0)


def test_least_value(backend: Variant) -> None:
    """At the logits log q every divergence and its gradient are 0, for any smoothing."""
    dtype = widest(backend)[0]
    q = backend.asarray(Q, dtype)
    smooth = 0.9 * Q + 0.1 / 4
    x = backend.asarray(np.log(smooth) + 3.0, dtype)
    words = {"label_smoothing": 0.1, "reduction": "none"}
    for found in (KL(x, q, **words), KL(x, q, direction="reverse", **words), JS(x, q, **words)):
        for values in found:
            assert_close(values, 0 * backend.to_numpy(values), ulps=16, scale=2.0)


@silent_on_dask
def test_zero_targets(backend: Variant) -> None:
    """A target of 0 counts as 0, also at -inf; in reverse it is infinite at a probability."""
    dtype = widest(backend)[0]
    q = backend.asarray([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]], dtype)
    x = backend.asarray([[-INF, 0.0, np.log(3.0)], [2.0, -INF, -INF]], dtype)
    words = {"reduction": "none"}
    for loss, slope in (
        KL(x, q, **words), KL(x, q, direction="reverse", **words), JS(x, q, **words)
    ):  # fmt: skip
        assert_close(loss, [0.0, 0.0], ulps=8, scale=1.0)
        assert_close(slope, np.zeros((2, 3)), ulps=8, scale=1.0)
    open_ = backend.asarray(np.zeros((2, 3)), dtype)
    loss = st.kl_divergence(open_, q, direction="reverse", **words)
    np.testing.assert_array_equal(backend.to_numpy(loss), INF)
    far = backend.asarray([[0.0, -INF, 0.0], [-INF, 0.0, 0.0]], dtype)
    np.testing.assert_array_equal(backend.to_numpy(st.kl_divergence(far, q, **words)), INF)
    assert_close(st.js_divergence(far, q, **words)[1:], [np.log(2)], ulps=4)


@silent_on_dask
def test_infinite_logits(backend: Variant) -> None:
    """A logit of +inf is a probability of 1; a row of nothing but -inf, and nan, are nan."""
    dtype = widest(backend)[0]
    x = backend.asarray([[INF, 0.0], [-INF, -INF], [np.nan, 0.0], [INF, -5.0]], dtype)
    q = backend.asarray([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], dtype)
    for loss, slope in (
        KL(x, q, direction="reverse", reduction="none"), JS(x, q, reduction="none"),
    ):  # fmt: skip
        got = backend.to_numpy(loss)
        np.testing.assert_array_equal(np.isnan(got), [False, True, True, False])
        assert got[0] == 0
        np.testing.assert_array_equal(backend.to_numpy(slope)[[0, 3]], 0.0)


@pytest.mark.parametrize("weight", [1e-6, 0.3, 1 - 1e-6])
def test_weight_of_js(weight: float) -> None:
    """Near the ends of its weight JS is that much of one divergence or the other (T39)."""
    got = st.js_divergence(X, Q, weight=weight)
    if weight < 0.1:
        np.testing.assert_allclose(got / weight, st.kl_divergence(X, Q), rtol=1e-4)
    if weight > 0.9:
        reverse = st.kl_divergence(X, Q, direction="reverse")
        np.testing.assert_allclose(got / (1 - weight), reverse, rtol=1e-4)
    assert got > 0


@pytest.mark.parametrize("function", ["forward", "reverse", "js"])
def test_gradients_of_targets(backend: Variant, function: str) -> None:
    """Where targets or class weights have derivatives too, the expression has finite ones, also
    at 0.
    """
    if backend.row != "torch":
        pytest.skip("one library is enough: the expression is the same")
    import torch

    x = torch.tensor(X[:2], requires_grad=True)
    q = torch.tensor([[0.0, 0.25, 0.5, 0.25], [1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    q.requires_grad_(True)
    w = torch.tensor([1.0, 0.0, 2.0, 0.5], dtype=torch.float64, requires_grad=True)
    call = {
        "forward": lambda: st.kl_divergence(x, q, class_weight=w),
        "reverse": lambda: st.kl_divergence(
            x, q, direction="reverse", label_smoothing=0.1, class_weight=w
        ),
        "js": lambda: st.js_divergence(x, q, class_weight=w),
    }[function]
    call().backward()
    assert all(bool(torch.all(torch.isfinite(v.grad))) for v in (x, q, w))


def test_torch_scipy_and_optax() -> None:
    """torch's kl_div, SciPy's rel_entr and jensenshannon and optax give the same."""
    torch = pytest.importorskip("torch")
    log_p = torch.log_softmax(torch.tensor(X), -1)
    theirs = torch.nn.functional.kl_div(log_p, torch.tensor(Q), reduction="batchmean")
    assert_close(st.kl_divergence(torch.tensor(X), torch.tensor(Q)), theirs, ulps=32)
    special = pytest.importorskip("scipy.special")
    distance = pytest.importorskip("scipy.spatial.distance")
    p = special.softmax(X, axis=1)
    rows = {"reduction": "none"}
    assert_close(st.kl_divergence(X, Q, **rows), special.rel_entr(Q, p).sum(1), ulps=32)
    reverse = st.kl_divergence(X, Q, direction="reverse", **rows)
    assert_close(reverse, special.rel_entr(p, Q).sum(1), ulps=32)
    ours = st.js_divergence(X, Q, **rows)
    assert_close(ours, distance.jensenshannon(Q, p, axis=1) ** 2, ulps=64)
    optax = pytest.importorskip("optax")
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        theirs = np.asarray(optax.kl_divergence(log_p.numpy(), Q))
    assert_close(st.kl_divergence(X, Q, **rows), theirs, ulps=32)


@silent_on_dask
def test_positions_and_padding(backend: Variant) -> None:
    """The mean is over all rows, however many axes they have, and a class at -inf on both sides
    costs nothing (T38).
    """
    dtype = widest(backend)[0]
    x, q = backend.asarray(X.reshape(2, 3, 4), dtype), backend.asarray(Q.reshape(2, 3, 4), dtype)
    rows = backend.to_numpy(st.kl_divergence(x, q, reduction="none"))
    assert rows.shape == (2, 3)
    assert_close(st.kl_divergence(x, q), np.sum(rows) / 6, ulps=8)
    off = np.arange(4) == 1
    fewer = backend.asarray(Q[:, ~off] / Q[:, ~off].sum(1, keepdims=True), dtype)
    want = KL(backend.asarray(X[:, ~off], dtype), fewer)
    some = np.zeros((6, 4))
    some[:, ~off] = backend.to_numpy(fewer)
    loss, slope = KL(backend.asarray(np.where(off, -INF, X), dtype), backend.asarray(some, dtype))
    assert_close(loss, want[0], ulps=16, scale=1.0)
    got = backend.to_numpy(slope)
    assert_close(np.ascontiguousarray(got[:, ~off]), want[1], ulps=16, scale=1.0)
    np.testing.assert_array_equal(got[:, off], 0.0)
