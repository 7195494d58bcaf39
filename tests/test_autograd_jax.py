"""`jax.grad` and its kin: the analytic gradient, for every floating argument, of any order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits, dtype_name, selected
from tests.differentiable import FUNCTIONS, arguments, function_of
from tests.golden import run
from tests.oracle import budget
from tests.oracle.plain import compute_dtype
from tests.reference import assert_near, dtypes_of, examples, host, widest
from tests.strategies import ONE_SHAPE, Call, calls

jax = pytest.importorskip("jax")
VARIANTS = [variant for variant in selected() if variant.row == "jax"]
if not VARIANTS:
    pytest.skip("SOFTTARGETS_BACKENDS leaves jax out", allow_module_level=True)


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.name)
def backend(request: pytest.FixtureRequest) -> Iterator[Variant]:
    """JAX, with and without 64-bit numbers."""
    with request.param.active():
        yield request.param


@pytest.fixture(params=[variant for variant in VARIANTS if variant.wide], ids=lambda v: v.name)
def wide(request: pytest.FixtureRequest) -> Iterator[Variant]:
    """JAX with 64-bit numbers, in which every function is compiled once."""
    with request.param.active():
        yield request.param


def check_pullback(call: Call, backend: Variant) -> None:
    """Fail unless autograd gives the analytic gradient, times a gradient from above."""
    case = call.case
    rows = case.rows_shape if case.keywords["reduction"] == "none" else ()
    above = np.random.default_rng(3).standard_normal(rows)
    compute = compute_dtype(case.dtype)
    logits, targets, words = call.arguments(backend)
    loss, pull = jax.vjp(lambda x: st.cross_entropy(x, targets, **words), logits)
    (gradient,) = pull(backend.asarray(above, dtype=compute))
    want, analytic = call.evaluate(backend)
    scale = budget.scale_of(case)
    assert_near("loss", host(loss), host(want), np.reshape(scale.loss, rows), compute)
    factor = above.reshape(-1, 1) if rows else above
    expected = factor * run.to_matrix(case, host(analytic))
    assert dtype_name(gradient) == dtype_name(analytic)
    # In half precision the analytic gradient is rounded before it is multiplied.
    extra = budget.eps(case.dtype) * np.abs(expected) / budget.eps(compute)
    size = np.abs(factor) * scale.gradient + (extra if case.dtype != compute else 0.0)
    got = run.to_matrix(case, host(gradient))
    assert_near("gradient", got, expected, size, compute, case.dtype)


def test_grad_is_the_analytic_gradient(backend: Variant) -> None:
    """Any call gives by autograd what `value_and_grad` gives, with any gradient from above."""

    @examples(backend)
    @given(call=calls(widest(backend), shapes=ONE_SHAPE))
    def try_one(call: Call) -> None:
        check_pullback(call, backend)

    try_one()


def test_grad_in_half_precision(backend: Variant) -> None:
    """The gradient of half precision logits is half precision, computed in float32."""
    halves = dtypes_of(backend, "float16", "bfloat16")
    if not halves:
        pytest.skip(f"{backend.name} has no half precision")

    @examples(backend, 0.3)
    @given(call=calls(halves, shapes=ONE_SHAPE))
    def try_one(call: Call) -> None:
        check_pullback(call, backend)

    try_one()


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_ignored_rows_get_zero(backend: Variant, reduction: str) -> None:
    """Rows that are left out get a gradient of exactly 0, whatever they hold."""
    logits = np.random.default_rng(1).standard_normal((4, 3))
    logits[1], logits[2] = np.nan, [np.inf, -np.inf, 1.0]
    labels, where = backend.asarray([0, -100, 1, 2]), backend.asarray([True, True, False, True])

    def loss(x: Any, y: Any, where: Any) -> Any:
        words = {"label_smoothing": 0.1, "z_loss": 0.1, "reduction": reduction}
        return st.cross_entropy(x, y, where=where, **words).sum()

    for function in (jax.grad(loss), jax.jit(jax.grad(loss))):
        gradient = host(function(backend.asarray(logits), labels, where))
        assert np.all(gradient[1:3] == 0)
        assert np.all(np.isfinite(gradient))
        assert np.all(gradient[[0, 3]] != 0)


def test_infinite_logits(backend: Variant) -> None:
    """An infinite loss has the finite analytic gradient by autograd, and spoils no other row."""
    inf = np.inf
    logits = [[-inf, 0.0, 1.0], [0.0, inf, 1.0], [0.0, inf, 1.0], [2.0, -inf, 0.0], [-inf] * 3]
    x, labels = backend.asarray(np.asarray(logits)), backend.asarray([0, 1, 0, 0, 0])
    gradient = jax.grad(lambda x: st.cross_entropy(x, labels, reduction="none").sum())(x)
    want, analytic = st.value_and_grad(st.cross_entropy)(x, labels, reduction="none")
    np.testing.assert_array_equal(host(want)[:3], [inf, 0.0, inf])
    rows = np.array([0, 1, 3])
    assert_close(gradient[rows], analytic[rows], ulps=4, scale=1.0)
    # Beside a logit of +inf that is not the label's, autograd sees constants.
    np.testing.assert_array_equal(host(gradient)[2], 0.0)
    np.testing.assert_array_equal(host(analytic)[2], [-1.0, 1.0, 0.0])


def test_mean_of_nothing(backend: Variant) -> None:
    """The mean over no rows is nan, and its gradient exactly 0."""
    labels = backend.asarray([-100, -100])
    value, gradient = jax.value_and_grad(
        lambda x: st.cross_entropy(x, labels, label_smoothing=0.1, z_loss=0.1)
    )(backend.asarray(np.ones((2, 3))))
    assert np.isnan(float(value))
    assert_same_bits(gradient, backend.xp.zeros_like(gradient))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_every_order(wide: Variant, name: str) -> None:
    """First and second derivatives for all floating arguments, forward and backward."""
    function, values = function_of(name, wide)
    places = tuple(range(len(values)))

    def total(*given: Any) -> Any:
        return function(*given).sum()

    slope = jax.grad(total, places)
    both = jax.jit(jax.value_and_grad(total, places))
    along = jax.jit(lambda given, v: (jax.jvp(total, given, v)[1], jax.jvp(slope, given, v)[1]))
    rng, step = np.random.default_rng(9), 2.0**-16
    for _ in range(3):
        v = tuple(wide.asarray(rng.standard_normal(value.shape)) for value in values)
        ahead, behind = (
            tuple(x + sign * step * d for x, d in zip(values, v, strict=True)) for sign in (1, -1)
        )
        forward, product = along(values, v)
        backward = sum((g * d).sum() for g, d in zip(both(*values)[1], v, strict=True))
        assert_close(forward, backward, ulps=64, scale=4.0)
        # What the third derivative, times step**2, and the rounding of a difference leave.
        after, before = both(*ahead), both(*behind)
        difference = (after[0] - before[0]) / (2 * step)
        np.testing.assert_allclose(forward, difference, rtol=0, atol=1e-7)
        for second, one, other in zip(product, after[1], before[1], strict=True):
            np.testing.assert_allclose(second, (one - other) / (2 * step), rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_derivatives(wide: Variant, name: str) -> None:
    """In float32 the derivatives for all arguments are those of float64 up to rounding."""
    found = []
    for dtype in ("float32", "float64"):
        loss, values = function_of(name, wide, dtype)
        places = tuple(range(len(values)))
        gradients = jax.jit(jax.grad(lambda *given, loss=loss: loss(*given).sum(), places))(*values)
        assert {dtype_name(gradient) for gradient in gradients} == {dtype}
        found.append([host(gradient) for gradient in gradients])
    for got, want in zip(*found, strict=True):
        assert_near("derivative", got, want, 4.0, "float32")


def test_derivative_for_what_is_zero(backend: Variant) -> None:
    """Class weights, smoothing and target masses of 0 have their derivative, too."""
    dtype = widest(backend)[0]
    t = arguments(backend, dtype)
    x, xp = t["x"], backend.xp
    minus_log = jax.scipy.special.logsumexp(x, axis=1, keepdims=True) - x
    q, labels = jax.nn.softmax(t["q"]), backend.asarray([2, 1, 0])

    def loss(weight: Any, amount: Any, rows: Any) -> tuple[Any, Any, Any]:
        return (
            st.cross_entropy(x, q, class_weight=weight, reduction="sum"),
            st.cross_entropy(x, labels, label_smoothing=amount, reduction="sum"),
            st.cross_entropy(x, st.Targets.from_distributions(rows, check=False), reduction="sum"),
        )

    zeros = (
        xp.zeros(4, dtype=dtype),
        xp.zeros((), dtype=dtype),
        jax.nn.one_hot(labels, 4, dtype=dtype),
    )
    by_weight, by_amount, by_rows = (
        jax.grad(lambda *v, place=place: loss(*v)[place], place)(*zeros) for place in range(3)
    )
    assert_close(by_weight, xp.sum(q * minus_log, axis=0), ulps=16, scale=1.0)
    own = xp.take_along_axis(x, labels[:, None], axis=1)[:, 0]
    assert_close(by_amount, xp.sum(own - xp.mean(x, axis=1)), ulps=16, scale=1.0)
    assert_close(by_rows, minus_log, ulps=16, scale=1.0)
