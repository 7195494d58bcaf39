"""Distillation and divergence of a linear layer: those of its logits, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, to_numpy
from tests.losses import once_per_library
from tests.reference import widest

RNG = np.random.default_rng(15)
once = once_per_library()


def grid(*shape: int) -> np.ndarray:
    """Multiples of 1/2, whose products are exact in every dtype."""
    return RNG.integers(-3, 4, shape) / 2


#: The layer of the student, that of the teacher with other features, and labels.
Y, M, B = grid(11, 3), grid(5, 3), grid(5)
TY, TM, TB = grid(11, 2), grid(5, 2), grid(5)
X, T = Y @ M.T + B, TY @ TM.T + TB
LABELS = np.array([0, 4, 2, -100, 1, 3, 3, 2, 0, 1, 4])
W, V = np.array([1.0, 2.0, 0.5, 0.25, 1.5]), np.linspace(0, 2, 11)
WHERE = np.arange(11) % 4 != 1
KINDS = ("forward", "reverse", "scores", "layer", "best")


def call(
    backend: Variant, kind: str, dtype: str
) -> tuple[Callable[..., Any], Callable[..., Any], Any, Any, dict[str, Any]]:
    """The loss of a layer and of logits, what each takes as targets, and keywords."""

    def arrays(*given: Any) -> list[Any]:
        return [backend.asarray(a, dtype) for a in given]

    labels, (w, v) = backend.asarray(LABELS), arrays(W, V)
    if kind in ("forward", "reverse"):
        words = {"direction": kind, "label_smoothing": 0.25, "class_weight": w, "sample_weight": v}
        return st.linear_kl_divergence, st.kl_divergence, labels, labels, words
    both: tuple[Any, Any] = st.linear_distillation, st.distillation
    words = {"temperature": 2.0}
    (scores,) = arrays(T)
    if kind == "scores":
        words |= {"labels": labels, "hard_weight": 0.25, "label_smoothing": 0.1}
        return *both, scores, scores, words
    if kind == "layer":
        words |= {"class_weight": w, "where": backend.asarray(WHERE)}
        return *both, tuple(arrays(TY, TM, TB)), scores, words
    best = st.Targets.from_teacher(scores, temperature=2.0, top_k=2, tail="bucket")
    return *both, best, best, words


def layer(backend: Variant, dtype: str) -> tuple[Any, Any, Any]:
    """Features, weight and bias; what takes no part holds nan."""
    return tuple(backend.asarray(a, dtype) for a in (Y, M, B))


def rows_of(count: int, dtype: str) -> int:
    """The memory that the logits of some rows take."""
    return count * 5 * (8 if dtype == "float64" else 4)


def near(actual: Any, expected: Any, scale: float = 16.0) -> None:
    """Sums of 11 rows of products of about 16 roundings, each below 8."""
    assert_close(actual, np.asarray(expected), ulps=64, scale=scale)


@pytest.mark.parametrize("kind", KINDS)
def test_same_as_of_logits(backend: Variant, kind: str) -> None:
    """Value and gradients are those of the logits, brought back to features, weight and bias."""
    if backend.row in ("jax", "dask") and kind in ("forward", "best"):
        pytest.skip(f"{backend.name} takes long to say the same of few other targets")
    dtype = widest(backend)[0]
    linear, dense, targets, others, words = call(backend, kind, dtype)
    y, m, b = layer(backend, dtype)
    x = backend.asarray(X, dtype)
    for reduction in ("mean", "none") if backend.row not in ("jax", "dask") else ("mean",):
        words["reduction"] = reduction
        found, gradients = st.value_and_grad(linear)(
            y, m, targets, bias=b, block_bytes=rows_of(3, dtype), **words
        )
        value, slope = st.value_and_grad(dense)(x, others, **words)
        near(found, to_numpy(value))
        g = to_numpy(slope).astype(float)
        for got, want in zip(gradients, (g @ M, g.T @ Y, g.sum(0)), strict=True):
            near(got, want)
        near(linear(y, m, targets, bias=b, **words), to_numpy(value))


@pytest.mark.parametrize("kind", ["reverse", "layer"])
def test_axes_and_low_precision(backend: Variant, kind: str) -> None:
    """Features may lie along any axis; those of half precision give a loss in float32."""
    for dtype in {widest(backend)[0], *({"float16"} & set(backend.dtypes))}:
        linear, _, targets, _, words = call(backend, kind, dtype)
        y, m, _ = layer(backend, dtype)
        want, slopes = st.value_and_grad(linear)(y, m, targets, **words)
        assert_follows(want, y, dtype="float32" if dtype == "float16" else dtype)
        for slope, of in zip(slopes, (y, m), strict=True):
            assert_follows(slope, of)
        turned = backend.asarray(Y.T, dtype)
        if kind == "layer":
            targets = (backend.asarray(TY.T, dtype), *targets[1:])
        value, found = st.value_and_grad(linear)(turned, m, targets, axis=0, **words)
        near(value, to_numpy(want))
        near(to_numpy(found[0]).T.copy(), to_numpy(slopes[0]))


def test_rows_that_take_no_part(backend: Variant) -> None:
    """Rows that are left out may hold anything, in the features of student and teacher."""
    dtype = widest(backend)[0]
    linear, _, teacher, _, words = call(backend, "layer", dtype)
    y, m, b = layer(backend, dtype)
    want, slopes = st.value_and_grad(linear)(y, m, teacher, bias=b, **words)
    bad, worse = (np.where(WHERE[:, None], a, np.nan) for a in (Y, TY))
    given = (backend.asarray(worse, dtype), *teacher[1:])
    value, found = st.value_and_grad(linear)(
        backend.asarray(bad, dtype), m, given, bias=b, block_bytes=rows_of(4, dtype), **words
    )
    near(value, to_numpy(want))
    for got, expected in zip(found, slopes, strict=True):
        near(got, to_numpy(expected))
    np.testing.assert_array_equal(to_numpy(found[0])[~WHERE], 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_torch(backend: Variant, kind: str) -> None:
    """Torch's graph has the same gradients, for a mean and for rows that weigh differently."""
    if backend.row != "torch":
        pytest.skip(f"{backend.name} has no graph")
    import torch

    dtype = widest(backend)[0]
    linear, dense, targets, others, words = call(backend, kind, dtype)
    for reduction in ("mean", "none"):
        leaves = [leaf.clone().requires_grad_(True) for leaf in layer(backend, dtype)]
        x = backend.asarray(X, dtype).requires_grad_(True)
        words["reduction"] = reduction
        value = linear(*leaves[:2], targets, bias=leaves[2], **words)
        upstream = torch.linspace(1, 2, value.numel()).to(value).reshape(value.shape)
        value.backward(upstream)
        dense(x, others, **words).backward(upstream)
        g = to_numpy(x.grad).astype(float)
        for leaf, want in zip(leaves, (g @ M, g.T @ Y, g.sum(0)), strict=True):
            near(to_numpy(leaf.grad), want, scale=32.0)


def test_derivatives_for_the_layer_of_a_teacher() -> None:
    """Torch differentiates for a teacher that is trained as well, once and twice."""
    torch = pytest.importorskip("torch")
    leaves = [torch.tensor(a[:3], requires_grad=True) for a in (Y, TY)]
    leaves += [torch.tensor(a, requires_grad=True) for a in (M, TM, TB)]

    def loss(y: Any, ty: Any, m: Any, tm: Any, tb: Any) -> Any:
        return st.linear_distillation(y, m, (ty, tm, tb), temperature=2.0)

    assert torch.autograd.gradcheck(loss, leaves)
    assert torch.autograd.gradgradcheck(loss, leaves)


def test_a_loop_in_jax() -> None:
    """In JAX the rows of a teacher go through the loop with those of the student: the same
    gradients, and no logits of all rows in the trace.
    """
    jax = pytest.importorskip("jax")
    from tests.test_linear_jax import arrays_made

    y, m, ty, tm = (jax.numpy.asarray(a, "float32") for a in (Y, M, TY, TM))
    y, ty = (jax.numpy.tile(a, (6, 1)) for a in (y, ty))
    # As many rows as classes in a weight: it is not taken for one value per row.
    tm = jax.numpy.tile(tm, (14, 1))[:66]
    m = jax.numpy.tile(m, (14, 1))[:66]
    labels = jax.numpy.arange(66) % 66

    def loss(y: Any, m: Any, ty: Any, tm: Any, block: int = 4 * 66 * 8) -> Any:
        return st.linear_distillation(
            y, m, (ty, tm), temperature=2.0, labels=labels, hard_weight=0.5, block_bytes=block
        )

    found = jax.value_and_grad(loss, (0, 1, 2, 3))
    want = jax.value_and_grad(lambda *layers: loss(*layers, block=10**9), (0, 1, 2, 3))(
        y, m, ty, tm
    )
    for got, expected in zip(
        jax.tree.leaves(jax.jit(found)(y, m, ty, tm)), jax.tree.leaves(want), strict=True
    ):
        near(got, to_numpy(expected))
    made = arrays_made(found, y, m, ty, tm)
    assert {name for name, shape in made if shape == (66, 66)} <= {"broadcast_in_dim", "transpose"}
