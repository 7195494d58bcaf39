"""The diagonal of the Hessian: published, measured, and the same in torch and JAX."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets.execution import plan
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits
from tests.losses import once_per_library
from tests.reference import widest

once = once_per_library()
CE, BINARY = (st.value_grad_hessian(f) for f in (st.cross_entropy, st.binary_cross_entropy))
RNG = np.random.default_rng(12)
X = RNG.standard_normal((5, 4)) * 2
LABELS = np.array([0, 3, -100, 1, 2])
W, V = np.array([1.0, 2.0, 0.5, 0.25]), np.array([1.0, 0.5, 1.0, 0.0, 2.0])
TERMS = {"z_loss": 0.125, "confidence_penalty": 0.25}


def test_published_trace(backend: Variant) -> None:
    """At z4 the diagonal sums to the published trace (T5)."""
    dtype = widest(backend)[0]
    x = backend.asarray([[2.0, 0.5, -1.0, 0.3]], dtype)
    for words in ({}, {"label_smoothing": 0.1}):
        _, _, diagonal = CE(x, backend.asarray([0]), **words)
        got = np.sum(backend.to_numpy(diagonal))
        np.testing.assert_allclose(
            got, 0.4876096645, rtol=0, atol=1e-10 if dtype == "float64" else 1e-6
        )


def calls(backend: Variant, dtype: str) -> list[tuple[Any, Any, dict[str, Any]]]:
    """Calls with every kind of target and of weight."""
    labels = backend.asarray(LABELS)
    q = backend.asarray(RNG.dirichlet(np.ones(4), 5), dtype)
    w, v = backend.asarray(W, dtype), backend.asarray(V, dtype)
    t = st.Targets.from_labels(labels, 4)
    best = backend.asarray([[0, 1], [1, 2], [3, 0], [2, 1], [2, 3]])
    shares = backend.asarray(np.full((5, 2), [0.5, 0.25]), dtype)
    mask = backend.asarray([True, True, True, True])
    where = backend.asarray([True, True, True, False, True])
    weights = {"class_weight": w, "sample_weight": v, "label_smoothing": 0.1}
    found = [
        (CE, labels, weights | TERMS),
        (CE, q, {"where": where, "class_mask": mask, **TERMS}),
        (
            CE,
            t.mix(t[backend.asarray([4, 3, 2, 1, 0])], 0.25).smooth(0.2),
            {"confidence_penalty": 0.5},
        ),
        (BINARY, labels, weights | {"pos_weight": 3.0}),
        (BINARY, q, {"where": where, "label_smoothing": backend.asarray(np.full(5, 0.2), dtype)}),
    ]
    for tail in ("bucket", "drop", "renormalize"):
        found.append((CE, st.Targets.from_top_k(best, shares, 4, tail=tail), TERMS))
    return found


def test_slope_of_the_gradient(backend: Variant) -> None:
    """The diagonal is the slope of the gradient, and value and gradient are those of
    `value_and_grad`.
    """
    if "float64" not in backend.dtypes:
        pytest.skip(f"{backend.name} has no float64")
    step = 2.0**-14
    for both, targets, words in calls(backend, "float64"):
        for reduction in ("none",) if backend.row in ("jax", "dask") else ("mean", "none"):
            function = st.cross_entropy if both is CE else st.binary_cross_entropy
            once = st.value_and_grad(functools.partial(function, reduction=reduction, **words))
            value, slope, diagonal = both(backend.asarray(X), targets, reduction=reduction, **words)
            plain = once(backend.asarray(X), targets)
            assert_close(value, plain[0], ulps=4)
            assert_close(slope, plain[1], ulps=16, scale=1.0)
            want = np.zeros((5, 4))
            for k in range(4):
                sides = []
                for sign in (1, -1):
                    moved = X.copy()
                    moved[:, k] += sign * step
                    sides.append(backend.to_numpy(once(backend.asarray(moved), targets)[1])[:, k])
                want[:, k] = (sides[0] - sides[1]) / (2 * step)
            np.testing.assert_allclose(backend.to_numpy(diagonal), want, rtol=0, atol=2e-8)


def test_dtypes_axes_and_rows(backend: Variant) -> None:
    """The diagonal has the shape, the dtype and the device of the logits, whatever the axis."""
    labels = backend.asarray(LABELS)
    for dtype in backend.dtypes:
        x = backend.asarray(X, dtype)
        _, slope, diagonal = CE(x, labels)
        assert_follows(diagonal, x)
        assert_follows(slope, x)
        assert np.all(backend.to_numpy(diagonal)[2] == 0)
    dtype = widest(backend)[0]
    x, turned = backend.asarray(X, dtype), backend.asarray(X.T, dtype)
    assert_close(CE(turned, labels, axis=0)[2], backend.to_numpy(CE(x, labels)[2]).T, ulps=8)
    single = BINARY(x, backend.asarray((X > 0).astype(int)), axis=None, reduction="none")
    p = 1 / (1 + np.exp(-X))
    assert_close(single[2], p * (1 - p), ulps=16)
    nothing = CE(x, backend.asarray(np.full(5, -100)))
    assert np.isnan(backend.to_numpy(nothing[0]))
    np.testing.assert_array_equal(backend.to_numpy(nothing[2]), 0.0)


@pytest.mark.parametrize("classes", [3, 70])
def test_blocks(backend: Variant, classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of rows change no bit."""
    if not (backend.backend.writable and backend.may_look):
        pytest.skip(f"{backend.name}: always run as a whole")
    x = backend.asarray(RNG.standard_normal((11, classes)), "float32")
    labels = backend.asarray(RNG.integers(0, classes, 11))
    for both in (CE, BINARY):
        results = []
        for entries in (10**9, 2 * classes):
            monkeypatch.setattr(plan, "HOST_ENTRIES", entries)
            results.append(both(x, labels, label_smoothing=0.1))
        for first, second in zip(*results, strict=True):
            assert_same_bits(second, first)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_torch_and_jax(backend: Variant) -> None:
    """It is the diagonal of what torch and JAX find, which give products with vectors too."""
    dtype = widest(backend)[0]
    if backend.row not in ("torch", "jax") or dtype != "float64":
        pytest.skip(f"{backend.name} has no second derivatives in float64")
    x, labels = backend.asarray(X, dtype), backend.asarray(LABELS)
    q = backend.asarray(RNG.dirichlet(np.ones(4), 5), dtype)
    for function, targets, words in (
        (st.cross_entropy, labels, {"label_smoothing": 0.1, **TERMS}),
        (st.cross_entropy, q, {}),
        (st.binary_cross_entropy, q, {"pos_weight": 2.0, "label_smoothing": 0.1}),
    ):

        def loss(y: Any, f: Any = function, t: Any = targets, w: Any = words) -> Any:
            return f(y, t, reduction="sum", **w)

        if backend.row == "torch":
            import torch

            whole = torch.func.hessian(loss)(x)
            vector = torch.autograd.functional.hvp(loss, x, torch.ones_like(x))[1]
        else:
            import jax

            if not words:
                continue  # the same expression as with labels
            whole = jax.jit(jax.hessian(loss))(x)
            vector = jax.jvp(jax.grad(loss), (x,), (x * 0 + 1,))[1]
        whole = backend.to_numpy(whole).reshape(20, 20)
        diagonal = st.value_grad_hessian(function)(x, targets, reduction="sum", **words)[2]
        want = np.diag(whole).reshape(5, 4)
        assert_close(diagonal, want, ulps=64, scale=1.0)
        assert_close(vector, whole.sum(1).reshape(5, 4), ulps=64, scale=1.0)
        if function is st.cross_entropy and not words:
            np.testing.assert_allclose(whole.sum(1), 0.0, atol=1e-14)  # an offset changes nothing


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_products_with_vectors(backend: Variant) -> None:
    """The Hessian times a vector, in each order of the two modes, is A (p * v - p <p, v>), and
    forward mode gives <gradient, v> (T42).
    """
    if backend.row not in ("torch", "jax"):
        pytest.skip(f"{backend.name} differentiates nothing")
    dtype = widest(backend)[0]
    x, v = backend.asarray(X, dtype), backend.asarray(RNG.standard_normal((5, 4)), dtype)
    labels, w = backend.asarray(LABELS), backend.asarray(W, dtype)

    def loss(y: Any) -> Any:
        return st.cross_entropy(y, labels, label_smoothing=0.1, class_weight=w, reduction="sum")

    p = np.exp(X) / np.sum(np.exp(X), axis=1, keepdims=True)
    q = np.where(LABELS[:, None] == -100, 0, 0.9 * np.eye(4)[LABELS % 4] + 0.025)
    mass, moved = np.sum(q * W, axis=1, keepdims=True), p * backend.to_numpy(v).astype(float)
    want = mass * (moved - p * np.sum(moved, axis=1, keepdims=True))
    if backend.row == "torch":
        import torch

        value, along = torch.func.jvp(loss, (x,), (v,))
        products = [
            torch.func.jvp(torch.func.grad(loss), (x,), (v,))[1],
            torch.autograd.functional.hvp(loss, x, v)[1],
            torch.autograd.functional.vhp(loss, x, v)[1],
        ]
    else:
        import jax

        value, along = jax.jvp(loss, (x,), (v,))
        products = [
            jax.jit(lambda x, v: jax.jvp(jax.grad(loss), (x,), (v,))[1])(x, v),
            jax.jit(jax.grad(lambda x: jax.numpy.vdot(jax.grad(loss)(x), v)))(x),
        ]
    for product in products:
        assert_close(product, want, ulps=64, scale=1.0)
    both = st.value_and_grad(st.cross_entropy)
    plain, slope = both(x, labels, label_smoothing=0.1, class_weight=w, reduction="sum")
    assert_close(value, plain, ulps=16)
    slope = backend.to_numpy(slope).astype(float)
    assert_close(along, np.sum(slope * backend.to_numpy(v)), ulps=64, scale=8.0)


def test_nothing_is_recorded() -> None:
    """Torch's autograd records nothing, whatever asks for gradients."""
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, requires_grad=True)
    w = torch.tensor(W, requires_grad=True)
    for words in ({}, {"class_weight": w}):
        assert not any(part.requires_grad for part in CE(x, torch.tensor(LABELS), **words))


def test_mapped_in_torch() -> None:
    """`torch.func.vmap` maps the three values over batches of rows."""
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(np.stack([X, X[::-1] + 1]))
    labels = torch.from_numpy(np.stack([LABELS, LABELS[::-1]]))
    smoothed = functools.partial(CE, label_smoothing=0.1)
    mapped = torch.func.vmap(smoothed)(x, labels)
    for i in range(2):
        for got, want in zip(mapped, smoothed(x[i], labels[i]), strict=True):
            assert_close(got[i], want, ulps=8, scale=1.0)
