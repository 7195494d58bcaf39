"""A linear layer and its loss in JAX: traced in any way, and never all logits at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, dtype_name, selected
from tests.differentiable_linear import BLOCK, FUNCTIONS, function_of
from tests.linear import BOTH
from tests.reference import widest

jax = pytest.importorskip("jax")
VARIANTS = [variant for variant in selected() if variant.row == "jax"]
if not VARIANTS:
    pytest.skip("SOFTTARGETS_BACKENDS leaves jax out", allow_module_level=True)

RNG = np.random.default_rng(25)
#: 7 rows in blocks of 2: the last block is half empty.
Y, WEIGHT, BIAS = (RNG.standard_normal(shape) for shape in ((7, 3), (4, 3), (4,)))
LABELS, OTHERS = np.asarray([0, 1, -100, 3, 3, 2, 1]), np.asarray([1, 1, 0, 0, 2, 3, 3])


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


def layer_of(backend: Variant) -> tuple[Any, Any, Any]:
    dtype = widest(backend)[0]
    return tuple(backend.asarray(values, dtype) for values in (Y, WEIGHT, BIAS))


def by_logits(y: Any, m: Any, b: Any, targets: Any, **words: Any) -> Any:
    """The same loss, of the logits."""
    return st.cross_entropy(y @ m.T + b, targets, **words)


def by_layer(y: Any, m: Any, b: Any, targets: Any, **words: Any) -> Any:
    return st.linear_cross_entropy(y, m, targets, bias=b, block_bytes=BLOCK, **words)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_everything_traced(backend: Variant, reduction: str) -> None:
    """Compiled with every argument traced, loss and gradients are those of the logits."""
    prior = backend.asarray([0.5, 0.25, 0.25, 0.0], "float32")
    keep, weight = backend.asarray(OTHERS > 0), backend.asarray(Y[:, 0] ** 2, "float32")
    rows = backend.asarray(np.linspace(0, 0.5, 7), "float32")
    traced = (*layer_of(backend), backend.asarray(LABELS), rows, prior, keep, weight)

    def of(loss: Callable[..., Any]) -> Callable[..., Any]:
        def total(y: Any, m: Any, b: Any, labels: Any, e: Any, u: Any, k: Any, v: Any) -> Any:
            words = {"label_smoothing": e, "prior": u, "where": k, "sample_weight": v}
            return loss(y, m, b, labels, **words, z_loss=0.01, reduction=reduction).sum()

        return jax.jit(jax.value_and_grad(total, (0, 1, 2, 4)))

    (loss, gradients), (want, expected) = (of(f)(*traced) for f in (by_layer, by_logits))
    assert_close(loss, want, ulps=16)
    for got, gradient in zip(gradients, expected, strict=True):
        assert_close(got, gradient, ulps=64, scale=1.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_every_order(wide: Variant, name: str) -> None:
    """First and second derivatives for all floating arguments, forward and backward."""
    function, values = function_of(name, wide)
    places = tuple(range(len(values)))

    def total(*given: Any) -> Any:
        return function(*given).sum()

    both = jax.jit(jax.value_and_grad(total, places))
    slope = jax.grad(total, places)
    along = jax.jit(lambda given, v: (jax.jvp(total, given, v)[1], jax.jvp(slope, given, v)[1]))
    rng, step = np.random.default_rng(9), 2.0**-16
    v = tuple(wide.asarray(rng.standard_normal(value.shape)) for value in values)
    ahead, behind = (
        tuple(x + sign * step * d for x, d in zip(values, v, strict=True)) for sign in (1, -1)
    )
    forward, product = along(values, v)
    backward = sum((g * d).sum() for g, d in zip(both(*values)[1], v, strict=True))
    assert_close(forward, backward, ulps=64, scale=16.0)
    # What the third derivative, times step**2, and the rounding of a difference leave.
    after, before = both(*ahead), both(*behind)
    np.testing.assert_allclose(forward, (after[0] - before[0]) / (2 * step), rtol=0, atol=1e-6)
    for second, one, other in zip(product, after[1], before[1], strict=True):
        np.testing.assert_allclose(second, (one - other) / (2 * step), rtol=0, atol=1e-6)


def test_hessian(wide: Variant) -> None:
    """The Hessian for the weight, through the loop, is that of the loss of the logits."""
    y, m, b = layer_of(wide)
    labels = wide.asarray(LABELS)
    found = [
        jax.jit(jax.hessian(lambda m, f=f: f(y, m, b, labels, label_smoothing=0.1)))(m)
        for f in (by_layer, by_logits)
    ]
    assert_close(found[0], found[1], ulps=64, scale=1.0)


def test_vmap(wide: Variant) -> None:
    """Rows, an ensemble of weights, labels or smoothing may be mapped."""
    y, m, b = layer_of(wide)
    labels, others = wide.asarray(LABELS), wide.asarray(OTHERS)
    words = {"label_smoothing": 0.1, "reduction": "none"}

    def one(y: Any, label: Any) -> Any:
        return by_layer(y, m, b, label, **words)

    want, (rows, *_) = BOTH(y, m, labels, bias=b, **words)
    assert_close(jax.jit(jax.vmap(one))(y, labels), want, ulps=16)
    assert_close(jax.jit(jax.vmap(jax.grad(one)))(y, labels), rows, ulps=32, scale=1.0)
    several, both = wide.xp.stack([m, 2 * m]), wide.xp.stack([labels, others])
    amounts = wide.asarray([0.0, 0.5])

    def any_of(m: Any, labels: Any, e: Any) -> Any:
        return by_layer(y, m, b, labels, label_smoothing=e)

    mapped = jax.jit(jax.vmap(jax.value_and_grad(any_of)))
    losses, gradients = mapped(several, both, amounts)
    for i in range(2):
        want = BOTH(y, several[i], both[i], bias=b, label_smoothing=float(amounts[i]))
        assert_close(losses[i], want[0], ulps=16)
        assert_close(gradients[i], want[1][1], ulps=64, scale=1.0)


def test_bad_traced_labels_are_nan(backend: Variant) -> None:
    """The row of a bad traced label is nan, in the loss and for the features; no other row is."""
    y, m, b = layer_of(backend)
    labels = backend.asarray(np.asarray([0, 4, -100, 3, -1, 2, 1]))
    loss = jax.jit(lambda y, labels: by_layer(y, m, b, labels, reduction="none"))
    bad = [False, True, False, False, True, False, False]
    assert np.isnan(np.asarray(loss(y, labels))).tolist() == bad
    gradient = np.asarray(jax.jit(jax.grad(lambda y: loss(y, labels).sum()))(y))
    assert np.isnan(gradient).all(axis=1).tolist() == bad
    assert np.isnan(gradient).any(axis=1).tolist() == bad
    assert np.all(gradient[2] == 0)


def test_a_schedule_compiles_once(backend: Variant) -> None:
    """Any traced smoothing and any labels need one compilation for a number of rows."""
    y, m, b = layer_of(backend)
    count = []

    def loss(y: Any, labels: Any, e: Any) -> Any:
        count.append(1)
        return by_layer(y, m, b, labels, label_smoothing=e)

    compiled = jax.jit(loss)
    for amount, labels in ((0.0, LABELS), (0.125, OTHERS), (0.5, LABELS)):
        got = compiled(y, backend.asarray(labels), amount)
        assert_close(
            got, by_logits(y, m, b, backend.asarray(labels), label_smoothing=amount), ulps=32
        )
    assert len(count) == 1


def test_half_precision_traced(backend: Variant) -> None:
    """The dtypes are those of eager mode: a float32 loss, gradients like the layer."""
    labels = backend.asarray(LABELS)
    for dtype in ("float16", "bfloat16"):
        layer = [backend.asarray(values, dtype=dtype) for values in (Y, WEIGHT, BIAS)]
        both = jax.jit(jax.value_and_grad(lambda *layer: by_layer(*layer, labels), (0, 1, 2)))
        loss, gradients = both(*layer)
        assert dtype_name(loss) == "float32"
        assert {dtype_name(gradient) for gradient in gradients} == {dtype}


ROWS, CLASSES, SIZE = 4096, 512, 4


def large(wide: Variant) -> tuple[Any, Any, Any]:
    """A layer whose logits in float32 would take 8 MiB."""
    shapes = (ROWS, SIZE), (CLASSES, SIZE)
    y, m = (wide.asarray(RNG.standard_normal(shape), "float32") for shape in shapes)
    return y, m, wide.asarray(np.arange(ROWS) % CLASSES)


def in_blocks(y: Any, m: Any, labels: Any, size: int = 64) -> Any:
    """The loss with blocks of `size` rows."""
    return st.linear_cross_entropy(
        y, m, labels, label_smoothing=0.1, block_bytes=4 * CLASSES * size, z_loss=0.01
    )


def arrays_made(function: Callable[..., Any], *arguments: Any) -> list[tuple[str, tuple[int, ...]]]:
    """The name of each operation in the trace of a function, loops included, with its shapes."""
    found = []

    def visit(jaxpr: Any) -> None:
        for equation in jaxpr.eqns:
            found.extend(
                (equation.primitive.name, variable.aval.shape) for variable in equation.outvars
            )
            for value in equation.params.values():
                for inner in value if isinstance(value, tuple | list) else (value,):
                    inner = getattr(inner, "jaxpr", inner)
                    if hasattr(inner, "eqns"):
                        visit(inner)

    visit(jax.make_jaxpr(function)(*arguments).jaxpr)
    return found


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_no_operation_makes_all_logits(wide: Variant, what: str) -> None:
    """Beside numbers spread out for their shape alone, nothing has rows x classes entries.

    What is kept of the blocks for the gradient, stacked one on the other, would have them, too.
    """
    y, m, labels = large(wide)
    function = in_blocks if what == "loss" else jax.value_and_grad(in_blocks, (0, 1))
    made = arrays_made(function, y, m, labels)
    assert [pair for pair in made if pair[1][-2:] == (64, CLASSES)] != []
    big = {name for name, shape in made if np.prod(shape) >= ROWS * CLASSES}
    assert big <= {"broadcast_in_dim"}
    whole = lambda y, m: in_blocks(y, m, labels, ROWS)  # noqa: E731
    assert "dot_general" in {n for n, shape in arrays_made(whole, y, m) if shape == (ROWS, CLASSES)}


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_memory_of_the_compiled_function(wide: Variant, what: str) -> None:
    """What XLA sets aside is a few blocks; with one block of all rows it is the logits."""
    y, m, labels = large(wide)

    def memory(size: int) -> int:
        def loss(y: Any, m: Any) -> Any:
            return in_blocks(y, m, labels, size)

        function = loss if what == "loss" else jax.value_and_grad(loss, (0, 1))
        return jax.jit(function).lower(y, m).compile().memory_analysis().temp_size_in_bytes

    logits = 4 * ROWS * CLASSES
    assert memory(64) < logits / 4
    assert memory(ROWS) >= logits
