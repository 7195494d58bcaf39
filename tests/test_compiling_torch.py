"""What `torch.compile` makes of schedules, batches of any size, gradients and training steps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import assert_close, selected

torch = pytest.importorskip("torch")
if not any(variant.row == "torch" for variant in selected()):
    pytest.skip("SOFTTARGETS_BACKENDS leaves torch out", allow_module_level=True)

RNG = np.random.default_rng(12)
X = torch.asarray(RNG.standard_normal((6, 5)), dtype=torch.float32)
LABELS = torch.tensor([0, 1, -100, 3, 4, 2])


@pytest.fixture
def counter() -> Iterator[Any]:
    """A backend that runs graphs as they are and counts them; the compiler forgets other tests."""
    from torch._dynamo import reset
    from torch._dynamo.testing import CompileCounter

    reset()
    yield CompileCounter()
    reset()


def loss_and_gradient(x: Any, labels: Any, epsilon: Any) -> tuple[Any, Any]:
    return st.value_and_grad(st.cross_entropy)(x, labels, label_smoothing=epsilon, z_loss=0.01)


def test_analytic_gradient_compiles(counter: Any) -> None:
    """`value_and_grad` is one graph, with the numbers of eager mode."""
    compiled = torch.compile(loss_and_gradient, fullgraph=True, backend=counter)
    for got, want in zip(compiled(X, LABELS, 0.1), loss_and_gradient(X, LABELS, 0.1), strict=True):
        assert_close(got, want, ulps=8, scale=1.0)
    assert counter.frame_count == 1


def test_a_schedule_compiles_once(counter: Any) -> None:
    """A 0-d tensor of smoothing, mixing weight, penalty or denominator takes any value."""

    def loss(x: Any, labels: Any, amount: Any) -> Any:
        first = st.Targets.from_labels(labels, 5)
        targets = first.mix(st.Targets.from_labels(labels.flip(0), 5), amount).smooth(amount)
        return st.cross_entropy(
            x, targets, z_loss=amount, confidence_penalty=amount, denominator=1 + amount
        )

    compiled = torch.compile(loss, fullgraph=True, backend=counter)
    for amount in (0.0, 0.1, 0.25, 1.0):
        scalar = torch.tensor(amount)
        assert_close(compiled(X, LABELS, scalar), loss(X, LABELS, scalar), ulps=16)
    assert counter.frame_count == 1


def test_counting_notices_a_recompilation(counter: Any) -> None:
    """The count of the tests here goes up where an option of the loss changes."""
    compiled = torch.compile(
        lambda x, how: st.cross_entropy(x, LABELS, reduction=how), backend=counter
    )
    compiled(X, "sum")
    compiled(X, "none")
    assert counter.frame_count == 2


def test_batches_of_any_size_compile_once(counter: Any) -> None:
    """With dynamic shapes the last, smaller batch needs no other graph."""
    compiled = torch.compile(loss_and_gradient, fullgraph=True, dynamic=True, backend=counter)
    for rows in (6, 4, 3):
        x, y = X[:rows].clone(), LABELS[:rows].clone()
        got, want = (f(x, y, 0.1) for f in (compiled, loss_and_gradient))
        assert_close(got[0], want[0], ulps=8)
        assert_close(got[1], want[1], ulps=8, scale=1.0)
    assert counter.frame_count == 1


def test_bad_label_in_a_graph_is_nan(counter: Any) -> None:
    """A graph never looks at labels: the row of a bad one is nan, an ignored one counts nothing."""
    compiled = torch.compile(
        lambda x, y: st.value_and_grad(st.cross_entropy)(x, y, reduction="none"),
        fullgraph=True,
        backend=counter,
    )
    loss, gradient = compiled(X, torch.tensor([0, 5, -100, 3, -1, 2]))
    assert torch.isnan(loss).tolist() == [False, True, False, False, True, False]
    assert torch.isnan(gradient).all(-1).tolist() == torch.isnan(loss).tolist()
    assert float(loss[2]) == 0.0


def test_half_precision_compiles(counter: Any) -> None:
    """The dtypes are those of eager mode: a float32 loss, the gradient like the logits."""
    compiled = torch.compile(loss_and_gradient, fullgraph=True, backend=counter)
    for dtype in (torch.bfloat16, torch.float16):
        loss, gradient = compiled(X.to(dtype), LABELS, 0.1)
        assert (loss.dtype, gradient.dtype) == (torch.float32, dtype)


def test_func_transforms_compile(counter: Any) -> None:
    """`torch.compile` of a mapped gradient is one graph."""

    def row(x: Any, label: Any) -> Any:
        return st.cross_entropy(x, label, label_smoothing=0.1, reduction="none")

    mapped = torch.func.vmap(torch.func.grad(row))
    got = torch.compile(mapped, fullgraph=True, backend=counter)(X, LABELS)
    assert_close(got, mapped(X, LABELS), ulps=8, scale=1.0)
    assert counter.frame_count == 1


def training_steps(step: Any) -> list[float]:
    """The losses of a few steps of gradient descent on a linear model."""
    rng = np.random.default_rng(13)
    features = torch.asarray(rng.standard_normal((32, 8)), dtype=torch.float32)
    labels = torch.asarray(np.argmax(features.numpy()[:, :5], axis=1))
    weight = torch.zeros((8, 5))
    losses = []
    for number in range(10):
        epsilon = torch.tensor(0.2 * number / 10)
        loss, weight = step(features, weight, labels, epsilon)
        losses.append(float(loss))
    return losses


def by_autograd(features: Any, weight: Any, labels: Any, epsilon: Any) -> Any:
    """One step with the gradient of autograd, all of it traced."""

    def loss(weight: Any) -> Any:
        targets = st.Targets.from_labels(labels, 5)
        targets = targets.mix(targets[::2][torch.arange(32) // 2], 0.8)
        return st.cross_entropy(features @ weight, targets, label_smoothing=epsilon, z_loss=1e-3)

    gradient, value = torch.func.grad_and_value(loss)(weight)
    return value, weight - 0.5 * gradient


def by_hand(features: Any, weight: Any, labels: Any, epsilon: Any) -> Any:
    """One step with the analytic gradient."""
    targets = st.Targets.from_labels(labels, 5)
    targets = targets.mix(targets[torch.arange(32) // 2 * 2], 0.8)
    loss, gradient = st.value_and_grad(st.cross_entropy)(
        features @ weight, targets, label_smoothing=epsilon, z_loss=1e-3
    )
    return loss, weight - 0.5 * (features.T @ gradient)


@pytest.mark.parametrize("step", [by_autograd, by_hand])
def test_training_step(step: Any, counter: Any) -> None:
    """A whole training step compiles once and learns as the eager one does."""
    compiled = training_steps(torch.compile(step, fullgraph=True, backend=counter))
    np.testing.assert_allclose(compiled, training_steps(step), rtol=2e-5)
    np.testing.assert_allclose(compiled, training_steps(by_hand), rtol=2e-5)
    assert compiled[-1] < 0.8 * compiled[0]
    assert counter.frame_count == 1


def test_model_and_backward(counter: Any) -> None:
    """The forward pass of a model with its loss compiles; backward gives the eager gradients."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 5))

    def loss(x: Any) -> Any:
        return st.cross_entropy(model(x), LABELS, label_smoothing=0.1)

    gradients = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        model.zero_grad()
        function(X).backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    for got, want in zip(*gradients, strict=True):
        assert_close(got, want, ulps=32, scale=1.0)


@pytest.mark.skipif(shutil.which("g++") is None, reason="Inductor needs a C++ compiler")
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_inductor() -> None:
    """The default compiler gives the numbers of eager mode, forward and backward."""
    torch._dynamo.reset()
    compiled = torch.compile(loss_and_gradient, fullgraph=True)
    for got, want in zip(compiled(X, LABELS, 0.1), loss_and_gradient(X, LABELS, 0.1), strict=True):
        assert_close(got, want, ulps=16, scale=1.0)
