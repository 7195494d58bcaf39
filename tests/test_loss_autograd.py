"""What torch and JAX differentiate of every loss is its analytic gradient, of any order."""

from __future__ import annotations

from typing import Any

import pytest

from softtargets.losses import evaluate
from tests.backends import Variant
from tests.losses import Loss, once_per_library
from tests.reference import widest
from tests.test_every_loss import LABELS, E, X, every, near, wide

once = once_per_library()


@every
def test_autograd(backend: Variant, loss: Loss) -> None:
    """What torch and JAX differentiate is the analytic gradient, also through their own graph."""
    if backend.row not in ("torch", "jax"):
        pytest.skip(f"{backend.name} differentiates nothing")
    (x,) = wide(backend, X)
    labels, amount = backend.asarray(LABELS), backend.asarray(E, widest(backend)[0])
    for reduction in ("mean", "none"):
        words = {"label_smoothing": amount, "reduction": reduction}
        want = backend.to_numpy(loss.with_gradient(x, labels, **words)[1])
        if backend.row == "jax":
            import jax

            def total(x: Any, words: Any = words) -> Any:
                return loss(x, labels, **words).sum()

            # One of them compiled: that takes a second.
            slope = jax.jit(jax.grad(total)) if reduction == "mean" else jax.grad(total)
            near(slope(x), want)
            continue
        leaf = x.clone().requires_grad_(True)
        loss(leaf, labels, **words).sum().backward()
        near(leaf.grad, want)
        import torch

        assert torch.autograd.gradgradcheck(
            lambda y, words=words: loss(y, labels, **words), leaf.detach().requires_grad_(True)
        )
        if loss.smoothing is None:
            continue
        # One more argument that has a derivative: the expression takes over.
        smoothing = amount.clone().requires_grad_(True)
        loss(leaf, labels, **(words | {"label_smoothing": smoothing})).sum().backward()
        near(leaf.grad, 2 * want)
        assert bool(torch.all(torch.isfinite(smoothing.grad)))


@every
def test_on_a_device(backend: Variant, loss: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch keeps a few numbers per row for backward, the gradient is the same."""
    if backend.row != "torch":
        pytest.skip(f"{backend.name} has no graph")
    monkeypatch.setattr(evaluate, "may_look", lambda array: False)
    (x,) = wide(backend, X)
    labels, amount = backend.asarray(LABELS), backend.asarray(E, widest(backend)[0])
    for reduction in ("mean", "none"):
        words = {"label_smoothing": amount, "reduction": reduction}
        want = loss.with_gradient(x, labels, **words)
        leaf = x.clone().requires_grad_(True)
        value = loss(leaf, labels, **words)
        near(value, want[0])
        value.sum().backward()
        near(leaf.grad, want[1])
