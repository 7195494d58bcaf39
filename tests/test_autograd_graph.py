"""What stands in torch's graph: one gradient, made once, and nothing that may go stale."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets.losses import evaluate
from tests.backends import Variant, assert_close, assert_same_bits, selected

torch = pytest.importorskip("torch")
VARIANTS = [variant for variant in selected() if variant.row == "torch"]
if not VARIANTS:
    pytest.skip("SOFTTARGETS_BACKENDS leaves torch out", allow_module_level=True)

pytestmark = [
    # Forward mode: torch decorates its own decompositions with what it deprecates.
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning"),
]
RNG = np.random.default_rng(19)
X, WEIGHT = RNG.standard_normal((7, 5)), RNG.standard_normal((5, 5))
LABELS = np.asarray([0, 3, -100, 1, 4, 4, 2])
AGAIN = r"^Trying to backward through the graph a second time"
CHANGED = r"^one of the variables needed for gradient computation has been modified"

#: A loss of a matrix that requires a gradient, and of labels.
Loss = Callable[..., Any]


def of_logits(x: Any, labels: Any, **words: Any) -> Any:
    return st.cross_entropy(x, labels, label_smoothing=0.1, **words)


def of_features(x: Any, labels: Any, **words: Any) -> Any:
    weight = torch.asarray(WEIGHT, dtype=x.dtype, device=x.device)
    return st.linear_cross_entropy(x, weight, labels, label_smoothing=0.1, block_bytes=80, **words)


@pytest.fixture(params=VARIANTS, ids=lambda variant: variant.name)
def backend(request: pytest.FixtureRequest) -> Variant:
    """Torch, on each device."""
    if why := request.param.why_unusable():
        pytest.skip(why)
    return request.param


@pytest.fixture(params=[of_logits, of_features])
def loss(request: pytest.FixtureRequest) -> Loss:
    """A loss of logits, and one of features."""
    return request.param


@pytest.fixture(params=["float32", "bfloat16"])
def x(request: pytest.FixtureRequest, backend: Variant) -> Any:
    """A leaf that requires a gradient: one that NumPy can view, and one that it cannot."""
    return backend.asarray(X, request.param).requires_grad_(True)


@pytest.fixture
def labels(backend: Variant) -> Any:
    """Labels, one of them ignored."""
    return backend.asarray(LABELS)


def analytic(loss: Loss, x: Any, labels: Any, **words: Any) -> Any:
    """The gradient without autograd."""
    x, words = x.detach(), {"label_smoothing": 0.1, **words}
    if loss is of_logits:
        return st.value_and_grad(st.cross_entropy)(x, labels, **words)[1]
    weight = torch.asarray(WEIGHT, dtype=x.dtype, device=x.device)
    both = st.value_and_grad(st.linear_cross_entropy)
    return both(x, weight, labels, block_bytes=80, **words)[1][0]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_graph_that_is_kept(loss: Loss, x: Any, labels: Any, reduction: str) -> None:
    """With `retain_graph` the same graph gives the same gradient again, at any scale."""
    value = loss(x, labels, reduction=reduction).sum()
    want = analytic(loss, x, labels, reduction=reduction)
    for scale in (1.0, -2.0, 1.0, 0.5):  # powers of two: nothing is rounded
        x.grad = None
        (scale * value).backward(retain_graph=True)
        assert_close(x.grad, scale * want, ulps=0)  # but for the sign of a zero


def test_gradients_add_up(loss: Loss, x: Any, labels: Any) -> None:
    """Two losses of one leaf add up in it, as do two passes over one graph."""
    want = analytic(loss, x, labels)
    first, second = loss(x, labels), loss(x, labels)
    (first + second).backward(retain_graph=True)
    assert_same_bits(x.grad, want + want)
    first.backward()
    assert_close(x.grad, 3 * want, ulps=1)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_a_graph_that_is_gone(loss: Loss, x: Any, labels: Any, reduction: str) -> None:
    """A second pass over a graph that was not kept raises what torch raises."""
    value = loss(x, labels, reduction=reduction).sum()
    value.backward()
    with pytest.raises(RuntimeError, match=AGAIN):
        value.backward()


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("which", ["the leaf", "the labels", "a weight"])
def test_what_was_changed(loss: Loss, x: Any, labels: Any, reduction: str, which: str) -> None:
    """After a change in place the gradient is that of the values before, or torch's error."""
    weight = torch.ones(7, dtype=torch.float32, device=x.device)
    words = {"reduction": reduction, "sample_weight": weight}
    want = analytic(loss, x, labels, **words)
    value = loss(x, labels, **words).sum()
    with torch.no_grad():
        {"the leaf": x, "the labels": labels, "a weight": weight}[which].mul_(0)
    if loss is of_features and reduction == "none":
        with pytest.raises(RuntimeError, match=CHANGED):
            value.backward()
        return
    value.backward(retain_graph=True)
    assert_same_bits(x.grad, want)
    with pytest.raises(RuntimeError, match=CHANGED):
        value.backward()


@pytest.mark.parametrize("on_a_device", [False, True])
def test_no_cycles(
    loss: Loss, x: Any, labels: Any, on_a_device: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph is freed with its value: what it keeps for the gradient does not hold the value."""
    if on_a_device:
        monkeypatch.setattr(evaluate, "may_look", lambda array: False)
    for backward in (False, True):
        loss(x, labels)  # whatever is remembered is by now
        gc.collect()
        value = loss(x, labels)
        if backward:
            value.backward()
        del value
        assert gc.collect() == 0


@pytest.mark.parametrize("create_graph", [False, True])
def test_hooks_run_once(loss: Loss, x: Any, labels: Any, create_graph: bool) -> None:
    """A hook sees the gradient once, and what it returns takes its place, at any order."""
    inner = x * 1
    inner.retain_grad()
    seen = []

    def twice(gradient: Any) -> Any:
        seen.append(gradient.detach().clone())
        return 2 * gradient

    inner.register_hook(twice)
    (gradient,) = torch.autograd.grad(loss(inner, labels), x, create_graph=create_graph)
    want = analytic(loss, x, labels)
    assert len(seen) == 1
    half = x.dtype == torch.bfloat16
    assert_close(seen[0], want, ulps=2 if half else 32, scale=0.25)
    assert_close(gradient.detach(), 2 * want, ulps=2 if half else 32, scale=0.5)


def test_a_batch_of_gradients_from_above(loss: Loss, backend: Variant, labels: Any) -> None:
    """Jacobians that map the backward pass are those that run it once for each row."""
    x = backend.asarray(X)
    jacobian = torch.autograd.functional.jacobian
    rows = jacobian(lambda x: loss(x, labels, reduction="none"), x)
    mapped = jacobian(lambda x: loss(x, labels, reduction="none"), x, vectorize=True)
    assert_close(mapped, rows, ulps=32, scale=1.0)


def test_checkpoints(loss: Loss, x: Any, labels: Any) -> None:
    """Under activation checkpointing the gradient is the same."""
    from torch.utils.checkpoint import checkpoint

    checkpoint(lambda x: loss(x, labels), x, use_reentrant=False).backward()
    assert_same_bits(x.grad, analytic(loss, x, labels))


def test_where_nothing_is_recorded(loss: Loss, x: Any, labels: Any) -> None:
    """Without recording, or in inference, the loss has the same bits and no history."""
    want = loss(x, labels)
    assert want.requires_grad
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            value = loss(x, labels)
            assert not value.requires_grad
            assert_same_bits(value, want.detach())


def test_forward_mode_for_other_arguments(loss: Loss, backend: Variant, labels: Any) -> None:
    """A tangent of an argument that is no logit counts, also where nothing else is recorded."""
    from torch.autograd import forward_ad

    weight = backend.asarray(np.linspace(0.5, 2.0, 7)).requires_grad_(True)
    for x in (backend.asarray(X), backend.asarray(X).requires_grad_(True)):
        weight.grad = None
        loss(x, labels, sample_weight=weight).backward()
        with forward_ad.dual_level():
            direction = backend.asarray(np.cos(np.arange(7.0)))
            dual = forward_ad.make_dual(weight.detach(), direction)
            value = loss(x, labels, sample_weight=dual)
            tangent = forward_ad.unpack_dual(value).tangent
        assert_close(
            tangent.detach(), torch.sum(weight.grad * direction).detach(), ulps=64, scale=1.0
        )


def test_wrapped_other_arguments(loss: Loss, backend: Variant, labels: Any) -> None:
    """Under vmap over another argument the gradient for plain logits is right."""
    x = backend.asarray(X).requires_grad_(True)
    weights = backend.asarray(np.stack([np.ones(7), np.arange(7.0)]))
    values = torch.func.vmap(lambda v: loss(x, labels, sample_weight=v))(weights)
    values.sum().backward()
    want = sum(analytic(loss, x, labels, sample_weight=v) for v in weights)
    assert_close(x.grad, want, ulps=32, scale=1.0)


def test_tensors_that_numpy_cannot_view(loss: Loss, backend: Variant, labels: Any) -> None:
    """A conjugate's imaginary part, which has no memory of its own, gives the same numbers."""
    pairs = torch.complex(backend.asarray(X), backend.asarray(-X))
    negated = pairs.conj().imag
    assert negated.is_neg()
    assert_same_bits(loss(negated, labels), loss(backend.asarray(X), labels))
    assert_close(
        analytic(loss, negated, labels),
        analytic(loss, backend.asarray(X), labels),
        ulps=8,
        scale=1.0,
    )


def test_a_subclass_of_tensors(loss: Loss, backend: Variant, labels: Any) -> None:
    """Tensors of a subclass are left to torch's own operations, with the same gradient."""

    class Mine(torch.Tensor):
        pass

    x = backend.asarray(X).as_subclass(Mine).requires_grad_(True)
    value = loss(x, labels)
    value.backward()
    assert isinstance(value, Mine)
    assert_close(x.grad, analytic(loss, backend.asarray(X), labels), ulps=32, scale=1.0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_buffer_counts_its_changes(backend: Variant, labels: Any, dtype: str) -> None:
    """Autograd notices that `out=` wrote into a tensor that it had kept."""
    out = backend.asarray(np.ones((7, 5)), dtype).requires_grad_(True)
    squares = (out * out).sum()
    buffer = out.detach()
    before = buffer._version
    st.value_and_grad(st.cross_entropy, out=buffer)(backend.asarray(X, dtype), labels)
    assert buffer._version > before
    with pytest.raises(RuntimeError, match=CHANGED):
        squares.backward()


@pytest.mark.skipif(not any(v.name == "torch" for v in VARIANTS), reason="it is about host memory")
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_gradient_is_handed_over(loss: Loss, scale: float) -> None:
    """What the forward pass made becomes the gradient of a leaf: no copy, no memory more."""
    x = torch.ones((2000, 512), requires_grad=True)
    y = torch.zeros(2000, dtype=torch.int64)
    weight = torch.ones((8, 512))
    size = x.numel() * x.element_size()
    tracemalloc.start()
    try:
        if loss is of_logits:
            value = scale * of_logits(x, y)
        else:
            value = scale * st.linear_cross_entropy(x, weight, y)
        made = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        value.backward()
        del value
        gc.collect()
        kept, peak = tracemalloc.get_traced_memory()
        x.grad = None
        gc.collect()
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert made > size  # NumPy made it
    assert peak < made + size / 16
    assert kept > size  # and it is what the leaf has now
    assert left < size / 16
