"""`softtargets.torch.linear_cross_entropy` and its module are torch's, without all logits."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

torch = pytest.importorskip("torch")
if not hasattr(torch.nn.functional, "linear_cross_entropy"):
    pytest.skip("torch has linear_cross_entropy since 2.13", allow_module_level=True)

import softtargets as st  # noqa: E402
from softtargets import torch as ours  # noqa: E402
from tests.frameworks.agreement import assert_agree, labels, numbers, one_thread  # noqa: E402, F401

F = torch.nn.functional
D, K = 3, 4
WEIGHT = torch.tensor([0.5, -1.5, 2.0, 0.25], dtype=torch.float64)


@pytest.mark.parametrize("rows", [(), (5,), (0,)], ids=str)
@pytest.mark.parametrize("places", [(), (2,), (2, 3)], ids=str)
def test_every_combination(rows: tuple[int, ...], places: tuple[int, ...]) -> None:
    """Batches, places, biases, targets, weights, smoothing and reductions are as in torch."""
    if places and not rows:
        return  # refused, see below
    x, w, b = numbers(*rows, D), numbers(K, *places, D, seed=1), numbers(K, *places, seed=2)
    y = torch.zeros((*rows, *places), dtype=torch.int64)
    y.view(-1)[1::2], y.view(-1)[2::3] = 3, -100
    q = numbers(*rows, K, *places, seed=3).softmax(1 if rows else 0)
    for target, bias, weight, smoothing, reduction in itertools.product(
        (y, q), (None, b), (None, WEIGHT), (0.0, 0.1), ("mean", "sum", "none")
    ):
        words = {"weight": weight, "label_smoothing": smoothing, "reduction": reduction}
        tensors = (x, w, target) if bias is None else (x, w, target, bias)
        want = assert_agree(
            lambda x, w, t, b=None, **more: ours.linear_cross_entropy(
                x, w, t, linear_bias=b, **more
            ),
            lambda x, w, t, b=None, **more: F.linear_cross_entropy(x, w, t, linear_bias=b, **more),
            tensors,
            **words,
        )
        assert not isinstance(want, Exception)


def test_marks_of_labels() -> None:
    """`ignore_index` is for labels, and -100 if it is not given."""
    x, w = numbers(5, D), numbers(K, D, seed=1)
    y = torch.tensor([0, 1, 2, 1, 3])
    for mark in (None, -100, 1):
        assert_agree(
            lambda x, w, m=mark: ours.linear_cross_entropy(x, w, y, ignore_index=m),
            lambda x, w, m=mark: F.linear_cross_entropy(x, w, y, ignore_index=m),
            (x, w),
        )


LABELS = torch.tensor([0, 3, 1, 1, 2])
REFUSED: list[tuple[Any, Any, Any, dict[str, Any]]] = [
    *((x, (K, D), LABELS, {}) for x in ((), (2, 5, D), (5, D + 1))),
    *(((5, D), w, LABELS, {}) for w in ((D,), (K, D + 1))),
    ((D,), (K, 2, D), torch.zeros(2).long(), {}),
    *(((5, D), (K, D), t, {}) for t in (LABELS[:2], LABELS.int(), LABELS.float(), LABELS + 1)),
    ((5, D), (K, 2, D), torch.zeros(5, 3).long(), {}),
    *(((5, D), (K, D), torch.ones(5, K), {"ignore_index": i}) for i in (-100, 0)),
    *(((5, D), (K, D), LABELS, {"linear_bias": torch.zeros(s)}) for s in ((D,), (K, 1), ())),
    ((5, D), (K, D), LABELS, {"linear_bias": torch.zeros(K).float()}),
    ((5, D), (K, D), LABELS, {"weight": torch.zeros(3).double()}),
    ((5, D), (K, D), LABELS, {"weight": torch.zeros(K)}),
    ((5, D), (K, D), LABELS, {"label_smoothing": 1.5}),
    ((5, D), (K, D), LABELS, {"reduction": "x"}),
    ((5, D), (K, D), LABELS.numpy(), {}),
]


@pytest.mark.parametrize(("features", "layer", "target", "words"), REFUSED)
def test_refused(features: Any, layer: Any, target: Any, words: dict[str, Any]) -> None:
    """What torch refuses is refused, with an error that those who catch torch's catch."""
    tensors = (torch.zeros(features).double(), torch.zeros(layer).double())
    refused = assert_agree(
        lambda x, w: ours.linear_cross_entropy(x, w, target, **words),
        lambda x, w: F.linear_cross_entropy(x, w, target, **words),
        tensors,
    )
    assert isinstance(refused, Exception)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_dtypes(dtype: Any) -> None:
    """The loss has torch's dtype; torch rounds the logits, this does not."""
    x, w, b = (t.to(dtype) for t in (numbers(5, D), numbers(K, D, seed=1), numbers(K, seed=2)))
    for reduction in ("mean", "sum", "none"):
        assert_agree(
            lambda x, w, b, r=reduction: ours.linear_cross_entropy(
                x, w, LABELS, linear_bias=b, reduction=r
            ),
            lambda x, w, b, r=reduction: F.linear_cross_entropy(
                x, w, LABELS, linear_bias=b, reduction=r
            ),
            (x, w, b),
            16 * torch.finfo(dtype).eps,
        )


@pytest.mark.parametrize("size", [None, 2, 100])
def test_options(size: int | None) -> None:
    """Torch's options say how many rows a block has; the numbers do not depend on it."""
    options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=size)
    words = {"label_smoothing": 0.1, "weight": WEIGHT}
    for target in (LABELS, numbers(5, K, seed=3).softmax(1)):
        assert_agree(
            lambda x, w, t=target: ours.linear_cross_entropy(x, w, t, options=options, **words),
            lambda x, w, t=target: F.linear_cross_entropy(x, w, t, **words),
            (numbers(5, D), numbers(K, D, seed=1)),
        )


@pytest.mark.parametrize("places", [(), (2,)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_module(places: tuple[int, ...], bias: bool) -> None:
    """The module has torch's state dict and text, and gives its loss and gradients."""
    words = {"out_features": places, "bias": bias, "dtype": torch.float64, "label_smoothing": 0.1}
    words["weight"] = WEIGHT.abs()
    torch.manual_seed(0)
    theirs = torch.nn.LinearCrossEntropyLoss(D, K, **words)
    torch.manual_seed(0)
    got = ours.LinearCrossEntropyLoss(D, K, **words)
    assert str(got) == str(theirs)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(got.state_dict()[name], value, rtol=0, atol=0)
    got.load_state_dict(theirs.state_dict())
    target = labels(K, 5, *places)
    for module in (got, theirs):
        module(numbers(5, D), target).backward()
    torch.testing.assert_close(got.linear.weight.grad, theirs.linear.weight.grad)
    torch.testing.assert_close(got(numbers(5, D), target), theirs(numbers(5, D), target))


def test_more_than_torch() -> None:
    """The keywords of this library are those of its linear cross-entropy."""
    head = ours.LinearCrossEntropyLoss(
        D, K, z_loss=0.01, spread="others", prior=WEIGHT.abs() / WEIGHT.abs().sum(),
        dtype=torch.float64,
    )  # fmt: skip
    assert str(head).startswith("LinearCrossEntropyLoss(\n  in_features=3, num_classes=4, ")
    assert "options=None, prior=Tensor(4,), spread=others, z_loss=0.01" in str(head)
    x, rate = numbers(5, D), torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4]).double()
    words = {"sample_weight": rate + 1, "where": LABELS != 2, "label_smoothing": rate}
    words["denominator"] = 7
    want = st.linear_cross_entropy(
        x, head.linear.weight, LABELS, z_loss=0.01, spread="others", prior=head.prior, **words
    )
    torch.testing.assert_close(head(x, LABELS, **words), want, rtol=0, atol=0)
    targets = st.Targets.from_labels(LABELS, K).mix(st.Targets.from_labels(LABELS.flip(0), K), 0.6)
    want = st.linear_cross_entropy(x, head.linear.weight, targets)
    got = ours.linear_cross_entropy(x, head.linear.weight, targets)
    torch.testing.assert_close(got, want, rtol=0, atol=0)
