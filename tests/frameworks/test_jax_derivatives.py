"""`softtargets.jax.analytic`: a loss with its own rule of differentiation."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np
import pytest

import softtargets as st

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
sj = pytest.importorskip("softtargets.jax")

N, K = 4, 5
RNG = np.random.default_rng(72)
X = RNG.standard_normal((N, K)).astype(np.float32)
V = RNG.standard_normal((N, K)).astype(np.float32)
ROWS = RNG.standard_normal(N).astype(np.float32)
LABELS = np.asarray([0, -100, 4, 2])
TRANSITION = st.noise_transition(K, 0.2, like=jnp.zeros(1))
SHARED = {"label_smoothing": 0.1, "sample_weight": jnp.asarray([1.0, 2.0, 0.5, 1.0])}
LOSSES: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {
    "cross_entropy": (
        st.cross_entropy,
        (LABELS,),
        {**SHARED, "z_loss": 0.01, "confidence_penalty": 0.1, "reduction": "none"},
    ),
    "bucket": (
        st.cross_entropy,
        (
            st.Targets.from_top_k(
                jnp.asarray([[0, 1]] * N), jnp.asarray([[0.5, 0.25]] * N), K, tail="bucket"
            ),
        ),
        {},
    ),
    "every logit": (
        st.binary_cross_entropy,
        (np.eye(K)[[0, 1, 4, 2]],),
        {"axis": None, "reduction": "none"},
    ),
    "partial": (functools.partial(st.forward_correction, transition=TRANSITION), (LABELS,), {}),
}


def close(got: Any, want: Any) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=2e-5, atol=2e-6)


def test_every_derivative_is_that_of_the_expression() -> None:
    """Value, both modes, the product with a Hessian, and rows by `vmap` are those of the loss."""
    arguments = {name: jax.tree.map(jnp.asarray, given) for name, (_, given, _) in LOSSES.items()}

    def everything(rule: Any, arguments: Any, x: Any) -> Any:
        found = {}
        for name, (loss, _, words) in LOSSES.items():
            function = rule(loss)

            def value(x: Any, given: Any = arguments[name]) -> Any:
                return function(x, *given, **words)  # noqa: B023

            along = jax.jvp(value, (x,), (jnp.asarray(V),))
            back, pull = jax.vjp(value, x)
            up = jnp.asarray(ROWS[0] if back.ndim == 0 else V if back.ndim == 2 else ROWS)

            def gradient(x: Any, value: Any = value, up: Any = up) -> Any:
                return jax.vjp(value, x)[1](up)[0]

            curved = jax.jvp(gradient, (x,), (jnp.asarray(V),))[1]
            found[name] = (*along, back, *pull(up), curved)
        return found

    run = jax.jit(everything, static_argnums=0)
    got, want = (run(rule, arguments, jnp.asarray(X)) for rule in (sj.analytic, lambda loss: loss))
    for name in LOSSES:
        for mine, theirs in zip(got[name], want[name], strict=True):
            close(mine, theirs)


def test_other_axes_maps_and_checkpoints() -> None:
    """The class axis may be any, and `vmap`, `scan` and `checkpoint` go through."""
    loss = sj.analytic(st.cross_entropy)
    x, labels = jnp.asarray(X), jnp.asarray(LABELS)

    def of_columns(x: Any) -> Any:
        return loss(x, labels, axis=0, reduction="none", label_smoothing=0.1)

    def row(x: Any, y: Any) -> Any:
        return loss(x, y, label_smoothing=0.1, reduction="none")

    @jax.jit
    def everything(x: Any) -> Any:
        turned = jax.vjp(of_columns, x.T)[1](jnp.asarray(ROWS))[0].T
        mapped = jax.vmap(jax.grad(row))(x, labels) * jnp.asarray(ROWS)[:, None]
        saved = jax.grad(lambda x: jnp.sum(jax.checkpoint(row)(x, labels) * ROWS))(x)
        _, scanned = jax.lax.scan(lambda c, xy: (c, jax.grad(row)(*xy)), 0.0, (x, labels))
        return turned, mapped, saved, scanned * jnp.asarray(ROWS)[:, None]

    words = {"label_smoothing": 0.1, "reduction": "none"}
    want = st.value_and_grad(st.cross_entropy)(X, LABELS, **words)[1] * ROWS[:, None]
    for got in everything(x):
        close(got, want)


def test_derivatives_for_other_arguments() -> None:
    """Where the smoothing or a teacher moves too, alone or with the logits, they are all there."""
    labels = jnp.asarray(LABELS)

    def value(rule: Any, x: Any, amount: Any, teacher: Any) -> Any:
        hard = rule(st.cross_entropy)(x, labels, label_smoothing=amount)
        return hard + rule(st.distillation)(x, teacher, temperature=2.0)

    @functools.partial(jax.jit, static_argnums=0)
    def everything(rule: Any, *given: Any) -> Any:
        function = functools.partial(value, rule)
        whole = jax.grad(function, (0, 1, 2))(*given)
        alone = jax.grad(function, 1)(*given), jax.jvp(lambda t: function(*given[:2], t), *along)
        return whole, alone

    along = (jnp.asarray(V),), (jnp.asarray(X),)
    given = jnp.asarray(X), jnp.asarray(0.1), jnp.asarray(V)
    got = everything(sj.analytic, *given)
    want = everything(lambda loss: loss, *given)
    for mine, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        close(mine, theirs)
    assert float(jnp.abs(got[1][0])) > 0.01


def test_ignored_rows_and_half_precision() -> None:
    """A row that does not count has a gradient of 0 whatever it holds; dtypes are the logits'."""
    x = jnp.asarray(np.where(LABELS[:, None] < 0, np.nan, X))
    for dtype in ("float32", "bfloat16"):
        loss = jax.jit(jax.value_and_grad(sj.analytic(st.cross_entropy)))
        value, gradient = loss(x.astype(dtype), jnp.asarray(LABELS))
        assert (str(value.dtype), str(gradient.dtype)) == ("float32", dtype)
        assert bool(jnp.all(gradient[1] == 0))
        want = st.value_and_grad(st.cross_entropy)(np.asarray(x.astype(dtype), np.float32), LABELS)
        np.testing.assert_allclose(float(value), float(want[0]), rtol=1e-6)
        tolerance = 2e-7 if dtype == "float32" else 2**-8
        np.testing.assert_allclose(
            np.asarray(gradient, np.float32), want[1], atol=tolerance, rtol=tolerance
        )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_memory_of_a_head(dtype: str) -> None:
    """For a layer and its loss in one compiled function it takes an array of logits less."""
    rows, classes, size = 1024, 2048, 16
    shapes = ((rows, size), (size, classes))
    h, w = (jax.ShapeDtypeStruct(shape, dtype) for shape in shapes)
    y = jax.ShapeDtypeStruct((rows,), "int32")

    def memory(loss: Any) -> int:
        def head(h: Any, w: Any, y: Any) -> Any:
            return loss(h @ w, y, label_smoothing=0.1)

        compiled = jax.jit(jax.value_and_grad(head, (0, 1))).lower(h, w, y).compile()
        return int(compiled.memory_analysis().temp_size_in_bytes)

    logits = 4 * rows * classes
    saved = memory(st.cross_entropy) - memory(sj.analytic(st.cross_entropy))
    assert saved > 0.9 * logits


def test_what_has_no_rule() -> None:
    """Losses of a linear layer and functions of others raise a TypeError that says what will do."""
    for wrong, name in ((st.linear_cross_entropy, "linear_cross_entropy"), (max, "max")):
        text = f"loss must be a loss of logits of softtargets, got {name}"
        with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
            sj.analytic(wrong)
