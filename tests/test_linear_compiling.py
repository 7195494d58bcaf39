"""What `torch.compile` makes of a linear layer and its loss: one graph, with the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import assert_close, selected
from tests.differentiable_linear import BLOCK
from tests.linear import BOTH

torch = pytest.importorskip("torch")
if not any(variant.row == "torch" for variant in selected()):
    pytest.skip("SOFTTARGETS_BACKENDS leaves torch out", allow_module_level=True)

RNG = np.random.default_rng(14)
LAYER = tuple(torch.asarray(RNG.standard_normal(shape)) for shape in ((6, 3), (5, 3), (5,)))
LABELS, OTHERS = torch.tensor([0, 1, -100, 3, 4, 2]), torch.tensor([1, 1, 0, 0, 2, 4])
Q = torch.softmax(torch.asarray(RNG.standard_normal((6, 5))), -1)
MASK = torch.tensor([True, True, True, False, True, True])
BEST, SHARES = torch.stack([OTHERS, (OTHERS + 2) % 5], 1), Q[:, :2] / 2


def loss(y: Any, m: Any, b: Any, targets: Any, **words: Any) -> Any:
    return st.linear_cross_entropy(y, m, targets, bias=b, block_bytes=BLOCK, **words)


def of(labels: Any) -> st.Targets:
    return st.Targets.from_labels(labels, 5)


LOSSES: dict[str, Callable[..., Any]] = {
    "smoothed": lambda *layer: loss(*layer, LABELS, label_smoothing=0.1),
    "everything": lambda *layer: loss(
        *layer,
        LABELS,
        label_smoothing=Q[:, 0],
        prior=Q[1],
        where=MASK,
        class_weight=Q[2],
        sample_weight=Q[:, 3],
        class_mask=torch.ones(5, dtype=torch.bool),
        z_loss=0.01,
        confidence_penalty=0.1,
    ),
    "dense": lambda *layer: loss(*layer, Q, label_smoothing=0.1, reduction="none"),
    "mixed": lambda *layer: loss(*layer, st.mix(of(LABELS).smooth(0.1), of(OTHERS), 0.3)),
    "bucket": lambda *layer: loss(*layer, st.Targets.from_top_k(BEST, SHARES, 5, tail="bucket")),
}


@pytest.fixture(autouse=True)
def compiler() -> Iterator[None]:
    """The compiler forgets other tests."""
    import torch._dynamo

    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("how", ["eager", "aot_eager"])
@pytest.mark.parametrize("name", LOSSES)
def test_one_graph(name: str, how: str) -> None:
    """Loss and gradients compile into one graph without a break, and give the same numbers."""
    compiled = torch.compile(LOSSES[name], fullgraph=True, backend=how)
    got, want = ([x.clone().requires_grad_(True) for x in LAYER] for _ in range(2))
    found, expected = compiled(*got), LOSSES[name](*want)
    assert_close(found.detach(), expected.detach(), ulps=16)
    found.sum().backward()
    expected.sum().backward()
    for one, other in zip(got, want, strict=True):
        assert_close(one.grad, other.grad, ulps=32, scale=1.0)


def test_analytic_gradients() -> None:
    """`value_and_grad` of a layer is one graph, too, for any smoothing."""

    def both(*layer: Any) -> Any:
        y, m, b, e = layer
        return BOTH(y, m, LABELS, bias=b, label_smoothing=e, block_bytes=BLOCK)

    compiled = torch.compile(both, fullgraph=True, backend="aot_eager")
    for amount in (0.1, torch.tensor(0.25)):
        value, gradients = compiled(*LAYER, amount)
        want, expected = both(*LAYER, amount)
        assert_close(value, want, ulps=16)
        for got, gradient in zip(gradients, expected, strict=True):
            assert_close(got, gradient, ulps=32, scale=1.0)


def test_batches_of_any_size() -> None:
    """With dynamic shapes the last, smaller batch needs no other graph."""
    from torch._dynamo.testing import CompileCounter

    counter = CompileCounter()

    def smoothed(y: Any, m: Any, b: Any, labels: Any) -> Any:
        return loss(y, m, b, labels, label_smoothing=0.1)

    compiled = torch.compile(smoothed, fullgraph=True, dynamic=True, backend=counter)
    for rows in (6, 4, 3):
        given = LAYER[0][:rows].clone(), *LAYER[1:], LABELS[:rows].clone()
        assert_close(compiled(*given), smoothed(*given), ulps=16)
    assert counter.frame_count == 1
