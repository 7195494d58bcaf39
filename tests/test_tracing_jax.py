"""Every loss runs inside `jax.jit`, `grad`, `vmap`, `jvp` and `hessian`, whatever is traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, dtype_name, selected
from tests.differentiable import FUNCTIONS, function_of
from tests.reference import widest

jax = pytest.importorskip("jax")
VARIANTS = [variant for variant in selected() if variant.row == "jax"]
if not VARIANTS:
    pytest.skip("SOFTTARGETS_BACKENDS leaves jax out", allow_module_level=True)

RNG = np.random.default_rng(21)
X = RNG.standard_normal((6, 5))
LABELS = np.asarray([0, 1, -100, 3, 4, 2])
OTHERS = np.asarray([1, 1, 0, 0, 2, 4])
#: Losses that an offset of the logits leaves as they are.
INVARIANT = set(FUNCTIONS) - {"penalties", "merged"}


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.name)
def backend(request: pytest.FixtureRequest) -> Iterator[Variant]:
    """JAX, with and without 64-bit numbers."""
    with request.param.active():
        yield request.param


@pytest.fixture(params=[variant for variant in VARIANTS if variant.wide], ids=lambda v: v.name)
def wide(request: pytest.FixtureRequest) -> Iterator[Variant]:
    """JAX with 64-bit numbers, for what takes long to compile."""
    with request.param.active():
        yield request.param


def traces(function: Callable[..., Any]) -> tuple[Callable[..., Any], list[int]]:
    """The function compiled, and a list that grows by one with each compilation."""
    count: list[int] = []

    def counted(*arguments: Any) -> Any:
        count.append(1)
        return function(*arguments)

    return jax.jit(counted), count


def of(labels: Any) -> st.Targets:
    return st.Targets.from_labels(labels, 5)


def row(x: Any, label: Any) -> Any:
    return st.cross_entropy(x, label, label_smoothing=0.1, z_loss=0.01, reduction="none")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_everything_traced(backend: Variant, name: str) -> None:
    """A compiled loss of all its floating arguments gives the numbers of the eager one."""
    loss, values = function_of(name, backend, widest(backend)[0])
    compiled, count = traces(loss)
    # The eager numbers first: under jit the loss sees only tracers.
    eager = loss(*values)
    assert_close(compiled(*values), eager, ulps=16, scale=1.0)
    compiled(*values)
    assert len(count) == 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_second_derivatives(wide: Variant, name: str) -> None:
    """`jax.hessian` for the logits is symmetric, and 0 along the offset of a row."""
    loss, (x, *rest) = function_of(name, wide)
    hessian = jax.jit(jax.hessian(lambda x: loss(x, *rest).sum()))(x).reshape(x.size, -1)
    assert_close(hessian, hessian.T, ulps=16, scale=1.0)
    offset = np.repeat(np.eye(x.shape[0]), x.shape[1], axis=0)
    along = np.max(np.abs(np.asarray(hessian, np.float64) @ offset))
    assert (along < 2.0**-47) == (name in INVARIANT)


def test_analytic_gradient_traced(backend: Variant) -> None:
    """`value_and_grad` compiles, and gives what `jax.value_and_grad` gives."""
    x, labels = backend.asarray(X), backend.asarray(LABELS)
    words = {"label_smoothing": 0.1, "z_loss": 0.01, "confidence_penalty": 0.1}
    function, count = traces(
        lambda x, y, amount: st.value_and_grad(st.cross_entropy)(x, y, **words, denominator=amount)
    )
    loss, gradient = function(x, labels, 3.0)
    want = jax.value_and_grad(lambda x: st.cross_entropy(x, labels, **words, denominator=3.0))(x)
    assert_close(loss, want[0], ulps=8)
    assert_close(gradient, want[1], ulps=8, scale=1.0)
    function(x, labels, 4.0)
    assert len(count) == 1


def test_vmap_over_rows(wide: Variant) -> None:
    """One row at a time under `vmap` is all rows at once: loss, gradient and Hessian."""
    x, labels = wide.asarray(X), wide.asarray(LABELS)
    assert_close(jax.vmap(row)(x, labels), row(x, labels), ulps=8)
    words = {"label_smoothing": 0.1, "z_loss": 0.01, "reduction": "none"}
    analytic = st.value_and_grad(st.cross_entropy)
    _, gradient = analytic(x, labels, **words)
    assert_close(jax.jit(jax.vmap(jax.grad(row)))(x, labels), gradient, ulps=8, scale=1.0)
    _, mapped = jax.vmap(lambda x, y: analytic(x, y, **words))(x, labels)
    assert_close(mapped, gradient, ulps=8, scale=1.0)
    blocks = jax.jit(jax.vmap(jax.hessian(row)))(x, labels)
    whole = jax.jit(jax.hessian(lambda x: row(x, labels).sum()))(x)
    for i in range(6):
        assert_close(blocks[i], whole[i, :, i, :], ulps=16, scale=1.0)


def test_vmap_over_arguments(wide: Variant) -> None:
    """Any array argument may be the mapped one."""
    x, labels, others = (wide.asarray(values) for values in (X, LABELS, OTHERS))
    amounts = wide.asarray([0.0, 0.125, 1.0], dtype="float32")

    def smoothed(amount: Any) -> Any:
        return st.cross_entropy(x, labels, label_smoothing=amount)

    def mixed(amount: Any) -> Any:
        return st.cross_entropy(x, of(others).mix(of(labels), amount))

    for function in (smoothed, mixed):
        want = [float(function(float(amount))) for amount in amounts]
        assert_close(jax.vmap(function)(amounts), want, ulps=8)
    both = wide.xp.stack([labels, others])
    got = jax.vmap(lambda y: st.cross_entropy(x, y))(both)
    assert_close(got, [float(st.cross_entropy(x, y)) for y in (labels, others)], ulps=8)
    masks = wide.asarray(X > -0.5)
    masks = masks.at[wide.xp.arange(6), others].set(True)
    got = jax.vmap(
        lambda x, y, mask: st.cross_entropy(
            x, y, class_mask=mask, label_smoothing=0.1, reduction="none"
        )
    )(x, others, masks)
    want = st.cross_entropy(x, others, class_mask=masks, label_smoothing=0.1, reduction="none")
    assert_close(got, want, ulps=8)


def test_traced_labels_are_not_looked_at(backend: Variant) -> None:
    """The row of a bad traced label is nan, loss and gradient; an ignored one counts nothing."""
    x, labels = backend.asarray(X), backend.asarray(np.asarray([0, 5, -100, 3, -1, 2]))
    for function in (jax.jit(row), jax.vmap(row)):
        loss = np.asarray(function(x, labels))
        assert np.isnan(loss).tolist() == [False, True, False, False, True, False]
        assert loss[2] == 0
    gradient = np.asarray(jax.jit(jax.grad(lambda x, y: row(x, y).sum()))(x, labels))
    assert np.isnan(gradient).any(axis=1).tolist() == np.isnan(loss).tolist()
    assert np.isnan(gradient).all(axis=1).tolist() == np.isnan(loss).tolist()
    assert np.all(gradient[2] == 0)


def test_traced_labels_of_every_dtype(backend: Variant) -> None:
    """The width of traced labels changes no number."""
    x = backend.asarray(X)
    want = jax.jit(row)(x, backend.asarray(OTHERS))
    for dtype in backend.int_dtypes:
        got = jax.jit(row)(x, backend.asarray(OTHERS, dtype))
        np.testing.assert_array_equal(np.asarray(got), np.asarray(want))


def test_a_schedule_compiles_once(backend: Variant) -> None:
    """Smoothing, mixing weight, penalty and denominator may be traced: any value, one compilation.

    Python numbers become traced scalars at the border of `jax.jit`.
    """
    x, labels, others = (backend.asarray(values) for values in (X, LABELS, OTHERS))

    def loss(x: Any, y: Any, amount: Any) -> Any:
        targets = of(y).mix(of(others), amount).smooth(amount, spread="others")
        return st.cross_entropy(
            x, targets, z_loss=amount, confidence_penalty=amount, denominator=amount + 1
        )

    compiled, count = traces(loss)
    for amount in (0.0, 0.125, 0.25, 0.5):
        scalar = backend.asarray(amount, dtype="float32")
        assert_close(compiled(x, labels, scalar), loss(x, labels, scalar), ulps=32)
    assert len(count) == 1
    rows, count = traces(lambda e: st.cross_entropy(x, labels, label_smoothing=e))
    for amount in (0.0, 0.25):
        rows(backend.asarray([amount] * 6, dtype="float32"))
    assert len(count) == 1
    numbers, count = traces(lambda e: st.cross_entropy(x, labels, label_smoothing=e))
    for amount in (0.0, 0.25):
        assert_close(numbers(amount), st.cross_entropy(x, labels, label_smoothing=amount), ulps=8)
    assert len(count) == 1


def test_counting_notices_a_compilation(backend: Variant) -> None:
    """The count of the tests here goes up for another number of rows."""
    compiled, count = traces(row)
    for rows in (6, 3):
        compiled(backend.asarray(X[:rows]), backend.asarray(LABELS[:rows]))
    assert len(count) == 2


def test_targets_are_built_in_a_graph(backend: Variant) -> None:
    """Targets may be made, indexed and measured where everything is traced."""
    labels, index = backend.asarray(OTHERS), backend.asarray(np.asarray([3, 1]))

    def measures(labels: Any, lam: Any, index: Any) -> Any:
        targets = of(labels).mix(of(labels[::-1]), lam).smooth(0.1)
        some = targets[index]
        return (
            *(t for t in (targets.to_dense(), targets.mass(), targets.entropy())),
            *(t for t in (some.to_dense(), st.smooth_labels(labels, lam[0], num_classes=5))),
            st.one_hot(labels, 5),
            st.convert_smoothing(lam / 2, 5),
        )

    lam = backend.asarray(np.linspace(0, 0.5, 6), dtype="float32")
    for got, want in zip(
        jax.jit(measures)(labels, lam, index), measures(labels, lam, index), strict=True
    ):
        assert_close(got, want, ulps=8, scale=0.1)


def test_half_precision_traced(backend: Variant) -> None:
    """The dtypes are those of eager mode: a float32 loss, the gradient like the logits."""
    labels = backend.asarray(LABELS)
    for dtype in ("float16", "bfloat16"):
        x = backend.asarray(X, dtype=dtype)
        for function in (
            st.value_and_grad(st.cross_entropy),
            jax.value_and_grad(lambda x, y: st.cross_entropy(x, y)),
        ):
            loss, gradient = jax.jit(function)(x, labels)
            assert (dtype_name(loss), dtype_name(gradient)) == ("float32", dtype)


def test_training_in_a_scan(backend: Variant) -> None:
    """A loop of training steps inside `jax.lax.scan`, with a schedule, learns as an eager loop."""
    xp = backend.xp
    features = backend.asarray(np.random.default_rng(13).standard_normal((32, 8)), "float32")
    labels = xp.argmax(features[:, :5], axis=1)

    def step(weight: Any, amount: Any) -> tuple[Any, Any]:
        targets = of(labels).mix(of(labels[::-1]), 0.9)
        loss, gradient = st.value_and_grad(st.cross_entropy)(
            features @ weight, targets, label_smoothing=amount
        )
        return weight - 0.5 * (features.T @ gradient), loss

    schedule = backend.asarray(np.linspace(0.0, 0.2, 10), "float32")
    weight = xp.zeros((8, 5), dtype=xp.float32)
    _, losses = jax.lax.scan(step, weight, schedule)
    for loss, amount in zip(losses, schedule, strict=True):
        weight, want = step(weight, amount)
        np.testing.assert_allclose(float(loss), float(want), rtol=2e-5)
    assert float(losses[-1]) < 0.9 * float(losses[0])
