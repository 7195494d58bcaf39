"""Every loss runs where nothing can be looked at: compiled, mapped over rows, and put off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, to_numpy
from tests.losses import Loss, once_per_library
from tests.reference import widest
from tests.test_every_loss import LABELS, E, X, every, near, wide

once = once_per_library()
ROW = {"reduction": "none"}


@pytest.fixture
def forgetful() -> Iterator[None]:
    """The compiler of torch forgets what it compiled for other tests."""
    dynamo = pytest.importorskip("torch._dynamo")
    dynamo.reset()
    yield
    dynamo.reset()


def arguments(backend: Variant) -> tuple[Any, Any, Any]:
    """Logits, labels and smoothing of rows."""
    (x,) = wide(backend, X)
    return x, backend.asarray(LABELS), backend.asarray(E, widest(backend)[0])


def one_row(loss: Loss) -> Callable[..., Any]:
    """The loss of a single row, which has no axis of rows."""
    return lambda x, label, amount: loss(x, label, label_smoothing=amount, **ROW)


@every
@pytest.mark.usefixtures("forgetful")
def test_torch(backend: Variant, loss: Loss) -> None:
    """Torch compiles loss and gradient as one graph, and maps over rows what has one row."""
    if backend.row != "torch":
        pytest.skip(f"{backend.name} is not torch")
    import torch

    x, labels, amount = arguments(backend)
    value, slope = loss.with_gradient(x, labels, label_smoothing=amount, **ROW)
    compiled = torch.compile(
        lambda x, y, e: loss.with_gradient(x, y, label_smoothing=e, **ROW),
        fullgraph=True, backend="eager",
    )  # fmt: skip
    for got, want in zip(compiled(x, labels, amount), (value, slope), strict=True):
        near(got, want)
    mapped = torch.func.vmap(one_row(loss))(x, labels, amount)
    near(mapped, value)
    near(torch.func.vmap(torch.func.grad(one_row(loss)))(x, labels, amount), slope)


@every
def test_jax(backend: Variant, loss: Loss) -> None:
    """JAX compiles the gradient of one row, mapped over rows."""
    if backend.row != "jax":
        pytest.skip(f"{backend.name} is not JAX")
    import jax

    x, labels, amount = arguments(backend)
    value, slope = loss.with_gradient(x, labels, label_smoothing=amount, **ROW)
    mapped = jax.jit(jax.vmap(jax.value_and_grad(one_row(loss))))(x, labels, amount)
    for got, want in zip(mapped, (value, slope), strict=True):
        near(got, to_numpy(want))


@every
def test_dask(backend: Variant, loss: Loss) -> None:
    """Dask computes nothing before it is asked to, and chunks of rows change nothing."""
    if backend.row != "dask":
        pytest.skip(f"{backend.name} is not Dask")
    import dask

    x, labels, amount = arguments(backend)
    want = [to_numpy(part) for part in loss.with_gradient(x, labels, label_smoothing=amount)]
    # What a matrix over all classes is has to be known; the rest is not.
    cut = x.rechunk((2, 5)), labels.rechunk(2), amount.rechunk(2)
    asked = []
    with dask.config.set(scheduler=lambda *args, **words: asked.append(args)):
        found = loss.with_gradient(*cut[:2], label_smoothing=cut[2])
    assert asked == []
    for got, expected in zip(found, want, strict=True):
        near(got, expected)


def test_linear_losses_in_one_graph(forgetful: None) -> None:
    """Torch compiles the losses of a linear layer too, a teacher of two arrays among them."""
    torch = pytest.importorskip("torch")
    y, m, ty, tm = (torch.tensor(np.random.default_rng(i).normal(size=(5, 3))) for i in range(4))
    labels = torch.arange(5)

    def both(y: Any, m: Any, ty: Any, tm: Any) -> tuple[Any, Any]:
        soft = st.linear_distillation(y, m, (ty, tm), temperature=2.0, labels=labels)
        return soft, st.linear_kl_divergence(y, m, labels, label_smoothing=0.1)

    compiled = torch.compile(both, fullgraph=True, backend="eager")
    for got, want in zip(compiled(y, m, ty, tm), both(y, m, ty, tm), strict=True):
        near(got, want)
