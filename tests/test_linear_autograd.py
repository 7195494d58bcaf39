"""`backward` through a linear layer and its loss on torch: what it gives, and of which order."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits, selected
from tests.differentiable_linear import BLOCK, FUNCTIONS, arguments, function_of
from tests.linear import BOTH, LinearCall, linear_calls
from tests.reference import examples, host

torch = pytest.importorskip("torch")
VARIANTS = [variant for variant in selected() if variant.row == "torch"]
if not VARIANTS:
    pytest.skip("SOFTTARGETS_BACKENDS leaves torch out", allow_module_level=True)

pytestmark = [
    # Forward mode: torch decorates its own decompositions with what it deprecates.
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning"),
]
func = torch.func


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.name)
def backend(request: pytest.FixtureRequest) -> Variant:
    """Torch, on each device."""
    if why := request.param.why_unusable():
        pytest.skip(why)
    return request.param


def layer_of(backend: Variant, *names: str, dtype: str = "float64") -> tuple[Any, ...]:
    """Some of features (y), weight (m) and bias (b), which require a gradient."""
    values = arguments(backend, dtype)
    return tuple(values[name].requires_grad_(True) for name in names)


def test_backward_is_the_analytic_gradient(backend: Variant) -> None:
    """Any call gives by autograd the bits that `value_and_grad` gives."""

    @examples(backend)
    @given(call=linear_calls())
    def try_one(call: LinearCall) -> None:
        features, weight, targets, words = call.arguments(backend)
        layer = [features, weight, *([words["bias"]] if "bias" in words else [])]
        want, gradients = BOTH(features, weight, targets, **words)
        for leaf in layer:
            leaf.requires_grad_(True)
        loss = st.linear_cross_entropy(features, weight, targets, **words)
        loss.sum().backward()
        assert_same_bits(loss.detach(), want)
        for leaf, gradient in zip(layer, gradients, strict=True):
            assert_same_bits(leaf.grad, gradient)

    try_one()


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_gradients_from_above(backend: Variant, dtype: str) -> None:
    """The gradient is that of the loss times the gradient from above, of each row by itself."""
    labels, above = backend.asarray([2, 1, 0]), np.asarray([3.0, 0.0, -0.5])
    parts = []
    for row in range(3):
        y, m, b = layer_of(backend, "y", "m", "b", dtype=dtype)
        sliced = y.detach()[row : row + 1].requires_grad_(True)
        words = {"label_smoothing": 0.1, "reduction": "sum", "block_bytes": BLOCK}
        st.linear_cross_entropy(sliced, m, labels[row : row + 1], bias=b, **words).backward()
        parts.append([host(leaf.grad) for leaf in (sliced, m, b)])
    y, m, b = layer_of(backend, "y", "m", "b", dtype=dtype)
    loss = st.linear_cross_entropy(y, m, labels, bias=b, **(words | {"reduction": "none"}))
    loss.backward(backend.asarray(above, str(loss.dtype).partition(".")[2]))
    want = [np.concatenate([s * part[0] for s, part in zip(above, parts, strict=True)])]
    want += [sum(s * part[i] for s, part in zip(above, parts, strict=True)) for i in (1, 2)]
    # In half precision every product and every sum is rounded to 8 bits.
    for leaf, gradient in zip((y, m, b), want, strict=True):
        assert_close(leaf.grad, gradient, ulps=16 if dtype != "bfloat16" else 4, scale=4.0)
    for reduction in ("sum", "mean"):
        (m,) = layer_of(backend, "m", dtype=dtype)
        loss = st.linear_cross_entropy(y.detach(), m, labels, reduction=reduction)
        (-1.5 * loss).backward()
        _, (_, gradient) = BOTH(y.detach(), m.detach(), labels, reduction=reduction)
        assert_close(m.grad, host(gradient) * -1.5, ulps=1)


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_only_what_requires_a_gradient(backend: Variant, reduction: str) -> None:
    """Whichever of the layer's arrays require a gradient get theirs, the others none."""
    labels = backend.asarray([2, -100, 0])
    words = {"label_smoothing": 0.1, "reduction": reduction, "block_bytes": BLOCK}
    y, m, b = (leaf.detach() for leaf in layer_of(backend, "y", "m", "b"))
    _, want = BOTH(y, m, labels, bias=b, **words)
    for flags in itertools.product((True, False), repeat=3):
        layer = [x.clone().requires_grad_(f) for x, f in zip((y, m, b), flags, strict=True)]
        loss = st.linear_cross_entropy(layer[0], layer[1], labels, bias=layer[2], **words)
        assert loss.requires_grad is any(flags)
        if any(flags):
            loss.sum().backward()
        for leaf, flag, gradient in zip(layer, flags, want, strict=True):
            assert (leaf.grad is not None) is flag
            if flag:
                assert_same_bits(leaf.grad, gradient)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_every_order(backend: Variant, name: str) -> None:
    """First and second derivatives for all floating arguments, backward, forward and mixed."""
    loss, values = function_of(name, backend)
    inputs = tuple(value.requires_grad_(True) for value in values)
    assert torch.autograd.gradcheck(loss, inputs, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(loss, inputs, check_fwd_over_rev=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_func_transforms(backend: Variant, name: str) -> None:
    """`torch.func.grad` gives what `backward` gives, `jvp` its product, `hessian` is symmetric."""
    loss, values = function_of(name, backend)

    def total(*given: Any) -> Any:
        return loss(*given).sum()

    places = tuple(range(len(values)))
    gradients, value = func.grad_and_value(total, places)(*values)
    leaves = [v.clone().requires_grad_(True) for v in values]
    total(*leaves).backward()
    assert_close(value, total(*values), ulps=8)
    for gradient, leaf in zip(gradients, leaves, strict=True):
        assert_close(gradient, leaf.grad, ulps=32, scale=1.0)
    rng = np.random.default_rng(4)
    v = tuple(backend.asarray(rng.standard_normal(tuple(x.shape))) for x in values)
    _, slope = func.jvp(total, values, v)
    along = sum((g * d).sum() for g, d in zip(gradients, v, strict=True))
    assert_close(slope, along, ulps=64, scale=4.0)
    hessian = func.hessian(total)(*values).reshape(values[0].numel(), -1)
    assert bool(torch.any(hessian != 0))
    assert_close(hessian, hessian.T, ulps=32, scale=1.0)


def test_vmap(backend: Variant) -> None:
    """Any argument may be the mapped one: rows, weights of an ensemble, labels, smoothing."""
    y, m, b = (leaf.detach() for leaf in layer_of(backend, "y", "m", "b"))
    labels = backend.asarray([2, -100, 0])
    words = {"bias": b, "label_smoothing": 0.1, "reduction": "none"}
    want, (rows, _, _) = BOTH(y, m, labels, **words)
    one = lambda y, label: st.linear_cross_entropy(y, m, label, **words)  # noqa: E731
    assert_close(func.vmap(one)(y, labels), want, ulps=8)
    assert_close(func.vmap(func.grad(one))(y, labels), rows, ulps=8, scale=1.0)
    several = torch.stack([m, 2 * m])
    got = func.vmap(func.grad(lambda m: st.linear_cross_entropy(y, m, labels)))(several)
    for gradient, weight in zip(got, several, strict=True):
        assert_close(gradient, BOTH(y, weight, labels)[1][1], ulps=8, scale=1.0)
    both = torch.stack([labels, labels.flip(0)])
    got = func.vmap(lambda labels: st.linear_cross_entropy(y, m, labels))(both)
    assert_close(got, [float(st.linear_cross_entropy(y, m, each)) for each in both], ulps=8)
    amounts = backend.asarray([0.0, 0.5])
    got = func.vmap(lambda e: st.linear_cross_entropy(y, m, labels, label_smoothing=e))(amounts)
    want = [float(st.linear_cross_entropy(y, m, labels, label_smoothing=e)) for e in (0.0, 0.5)]
    assert_close(got, want, ulps=8)
    _, mapped = func.vmap(lambda m: BOTH(y, m, labels, reduction="sum"))(several)
    assert_close(mapped[1][1], BOTH(y, 2 * m, labels, reduction="sum")[1][1], ulps=8, scale=1.0)


def test_value_and_grad_records_nothing(backend: Variant) -> None:
    """`value_and_grad` leaves no history and no `grad`, whatever requires one."""
    y, m, b, w, e = layer_of(backend, "y", "m", "b", "w", "e")
    labels = backend.asarray([2, -100, 0])
    loss, gradients = BOTH(y, m, labels, bias=b, class_weight=w, label_smoothing=e)
    assert not loss.requires_grad
    assert not any(gradient.requires_grad for gradient in gradients)
    assert all(leaf.grad is None for leaf in (y, m, b, w, e))


@pytest.mark.parametrize("other", [np.ones((4, 2)), [[1.0, 2.0]], None], ids=str)
def test_a_weight_that_is_no_tensor(backend: Variant, other: Any) -> None:
    """Features that require a gradient beside what is no tensor: the error names the argument."""
    (y,) = layer_of(backend, "y")
    rule = "must come from one array library" if isinstance(other, np.ndarray) else "be an array"
    with pytest.raises(TypeError, match=rf"weight must {rule}|weight {rule}"):
        st.linear_cross_entropy(y, other, backend.asarray([0, 1, 2]))


def test_while_it_is_compiled(backend: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    """While torch compiles, loss and gradients are one expression each, with the same numbers."""
    y, m, b = (leaf.detach() for leaf in layer_of(backend, "y", "m", "b"))
    labels = backend.asarray([2, -100, 0])
    want, gradients = BOTH(y, m, labels, bias=b, label_smoothing=0.1)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert_close(st.linear_cross_entropy(y, m, labels, bias=b, label_smoothing=0.1), want, ulps=8)
    found = BOTH(y, m, labels, bias=b, label_smoothing=0.1)[1]
    for got, gradient in zip(found, gradients, strict=True):
        assert_close(got, gradient, ulps=16, scale=1.0)
