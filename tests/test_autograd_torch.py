"""`loss.backward()` on torch: the analytic gradient, for every floating argument, of any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_same_bits, selected
from tests.differentiable import FUNCTIONS, arguments, function_of
from tests.golden import run
from tests.oracle import budget
from tests.oracle.plain import compute_dtype
from tests.reference import assert_near, examples, host
from tests.strategies import Call, calls

torch = pytest.importorskip("torch")
VARIANTS = [variant for variant in selected() if variant.row == "torch"]
if not VARIANTS:
    pytest.skip("SOFTTARGETS_BACKENDS leaves torch out", allow_module_level=True)

pytestmark = [
    # Forward mode: torch decorates its own decompositions with what it deprecates.
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning"),
]


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.name)
def backend(request: pytest.FixtureRequest) -> Variant:
    """Torch, on each device."""
    if why := request.param.why_unusable():
        pytest.skip(why)
    return request.param


def differentiate(call: Call, backend: Variant, upstream: Any) -> tuple[Any, Any]:
    """Loss and gradient by autograd."""
    logits, targets, words = call.arguments(backend)
    logits.requires_grad_(True)
    loss = st.cross_entropy(logits, targets, **words)
    loss.backward(upstream.reshape(loss.shape))
    return loss.detach(), logits.grad


def check_backward(call: Call, backend: Variant) -> None:
    """Fail unless autograd gives the analytic gradient, times a gradient from above."""
    case = call.case
    rows = case.rows_shape if case.keywords["reduction"] == "none" else ()
    above = np.random.default_rng(3).standard_normal(rows)
    compute = compute_dtype(case.dtype)
    loss, gradient = differentiate(call, backend, backend.asarray(above, dtype=compute))
    want_loss, analytic = call.evaluate(backend)
    assert_same_bits(loss, want_loss)
    factor = above.reshape(-1, 1) if rows else above
    expected = factor * run.to_matrix(case, host(analytic))
    scale = np.abs(factor) * budget.scale_of(case).gradient
    got = run.to_matrix(case, host(gradient))
    assert str(gradient.dtype) == str(analytic.dtype)
    # In half precision the analytic gradient is rounded before it is multiplied.
    extra = budget.eps(case.dtype) * np.abs(expected)
    size = scale + (extra / budget.eps(compute) if case.dtype != compute else 0.0)
    assert_near("gradient", got, expected, size, compute, case.dtype)


def test_backward_is_the_analytic_gradient(backend: Variant) -> None:
    """Any call gives by autograd what `value_and_grad` gives, with any gradient from above."""

    @examples(backend, 2.5)
    @given(call=calls())
    def try_one(call: Call) -> None:
        check_backward(call, backend)

    try_one()


def test_backward_in_half_precision(backend: Variant) -> None:
    """The gradient of half precision logits is half precision, computed in float32."""

    @examples(backend)
    @given(call=calls(("float16", "bfloat16")))
    def try_one(call: Call) -> None:
        check_backward(call, backend)

    try_one()


def test_ignored_rows_get_zero(backend: Variant) -> None:
    """Rows that are left out get a gradient of exactly 0, whatever they hold."""
    logits = np.random.default_rng(1).standard_normal((4, 3))
    logits[1], logits[2] = np.nan, [np.inf, -np.inf, 1.0]
    x = backend.asarray(logits).requires_grad_(True)
    labels = backend.asarray([0, -100, 1, 2])
    where = backend.asarray([True, True, False, True])
    for reduction in ("none", "sum", "mean"):
        x.grad = None
        loss = st.cross_entropy(
            x, labels, where=where, label_smoothing=0.1, z_loss=0.1, reduction=reduction
        )
        loss.sum().backward()
        assert bool(torch.all(x.grad[1:3] == 0))
        assert bool(torch.all(torch.isfinite(x.grad)))
        assert bool(torch.all(x.grad[0] != 0))


def test_infinite_logits(backend: Variant) -> None:
    """An infinite loss has the finite analytic gradient by autograd, and spoils no other row."""
    inf = np.inf
    logits = [[-inf, 0.0, 1.0], [0.0, inf, 1.0], [0.0, inf, 1.0], [2.0, -inf, 0.0], [-inf] * 3]
    x = backend.asarray(np.asarray(logits)).requires_grad_(True)
    labels = backend.asarray([0, 1, 0, 0, 0])
    loss = st.cross_entropy(x, labels, reduction="none")
    loss.sum().backward()
    want, analytic = st.value_and_grad(st.cross_entropy)(x, labels, reduction="none")
    assert_same_bits(loss.detach(), want)
    np.testing.assert_array_equal(host(want)[:3], [inf, 0.0, inf])
    rows = [0, 1, 2, 3]
    np.testing.assert_allclose(host(x.grad)[rows], host(analytic)[rows], rtol=0, atol=2.0**-51)
    np.testing.assert_array_equal(host(analytic)[2], [-1.0, 1.0, 0.0])


def test_mean_of_nothing(backend: Variant) -> None:
    """The mean over no rows is nan, and its gradient exactly 0."""
    x = backend.asarray(np.ones((2, 3))).requires_grad_(True)
    loss = st.cross_entropy(x, backend.asarray([-100, -100]), label_smoothing=0.1, z_loss=0.1)
    loss.backward()
    assert bool(torch.isnan(loss))
    assert bool(torch.all(x.grad == 0))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_every_order(backend: Variant, name: str) -> None:
    """First and second derivatives for all floating arguments, backward, forward and mixed."""
    loss, values = function_of(name, backend)
    inputs = tuple(value.requires_grad_(True) for value in values)
    assert torch.autograd.gradcheck(loss, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(loss, inputs, check_fwd_over_rev=True)


def test_derivative_for_what_is_zero(backend: Variant) -> None:
    """Class weights, smoothing and target masses of 0 have their derivative, too."""
    t = arguments(backend)
    x = t["x"].requires_grad_(True)
    off = torch.zeros(4, dtype=torch.float64, device=x.device, requires_grad=True)
    minus_log = torch.logsumexp(x, -1, keepdim=True) - x
    q = torch.softmax(t["q"], -1)
    st.cross_entropy(x, q, class_weight=off, reduction="sum").backward()
    torch.testing.assert_close(off.grad, torch.sum(q * minus_log, 0))
    none = torch.zeros((), dtype=torch.float64, device=x.device, requires_grad=True)
    labels = backend.asarray([2, 1, 0])
    st.cross_entropy(x, labels, label_smoothing=none, reduction="sum").backward()
    own = torch.take_along_dim(x, labels[:, None], 1)[:, 0]
    torch.testing.assert_close(none.grad, torch.sum(own - torch.mean(x, 1)))
    one_hot = torch.eye(4, dtype=torch.float64, device=x.device)[labels].requires_grad_(True)
    st.cross_entropy(x, one_hot, reduction="sum").backward()
    torch.testing.assert_close(one_hot.grad, minus_log)


def test_analytic_gradient_records_nothing(backend: Variant) -> None:
    """`value_and_grad` leaves no history and no `grad`, whatever requires one."""
    t = {name: value.requires_grad_(True) for name, value in arguments(backend).items()}
    labels = backend.asarray([2, -100, 0])
    loss, gradient = st.value_and_grad(st.cross_entropy)(
        t["x"], labels, class_weight=t["w"], label_smoothing=t["e"]
    )
    assert not loss.requires_grad
    assert not gradient.requires_grad
    assert all(leaf.grad is None for leaf in t.values())


@given(seed=some.integers(0, 2**32 - 1))
def test_hessian_has_the_null_vector_one(seed: int) -> None:
    """Without a z-loss the second derivative along the offset of a row is 0."""
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.standard_normal((3, 4)), requires_grad=True)
    labels = torch.tensor(rng.integers(0, 4, 3))
    options = {"label_smoothing": 0.1, "confidence_penalty": 0.2}
    loss = st.cross_entropy(x, labels, reduction="sum", **options)
    (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
    (product,) = torch.autograd.grad(gradient, x, torch.ones_like(x))
    assert float(torch.max(torch.abs(product))) < 64 * 2.0**-52
