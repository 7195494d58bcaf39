"""`softtargets.torch.cross_entropy` is torch's: values, gradients, dtypes and refusals."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from softtargets import Targets  # noqa: E402
from softtargets import torch as ours  # noqa: E402
from tests.frameworks.agreement import (  # noqa: E402
    assert_agree,
    distributions,
    labels,
    numbers,
    one_thread,  # noqa: F401
)

F = torch.nn.functional
K = 4
POSITIVE = torch.tensor([0.5, 1.5, 2.0, 0.25], dtype=torch.float64)
SIGNED = torch.tensor([-0.75, 1.5, 0.0, 2.0], dtype=torch.float64)
#: From no batch at all to four more dimensions, and batches of nothing.
SHAPES = [
    (K,),
    (3, K),
    (3, K, 2),
    (2, K, 2, 3),
    (2, K, 1, 2, 2),
    (2, K, 2, 1, 2, 1),
    (0, K),
    (0, K, 2),
    (3, K, 0),
    (0, K, 2, 2),
]


def rows(shape: tuple[int, ...]) -> tuple[int, ...]:
    return () if len(shape) == 1 else (shape[0], *shape[2:])


def logits_of(shape: tuple[int, ...]) -> Any:
    return numbers(*shape, seed=len(shape)) * 3


def targets_of(shape: tuple[int, ...]) -> dict[str, tuple[Any, list[int]]]:
    """Return every kind of target, and the marks of ignored rows that it is tried with."""
    plain = labels(K, *rows(shape))
    plain.view(-1)[:1] = 1
    some = plain.clone()
    some.view(-1)[1::2] = -100
    axis = 1 if len(shape) > 1 else 0
    q = distributions(*shape, axis=axis)
    found = {
        "labels": (plain, [-100, 3, K, -1]),
        "some": (some, [-100]),
        "nothing": (torch.full(rows(shape), 2), [2]),
        "probabilities": (q, [-100, -1]),
        "any numbers": (q * 3 - 0.5, [-100]),
    }
    if len(shape) <= 2:  # torch has no bytes with more dimensions
        found["bytes"] = (plain.to(torch.uint8), [-100, 2, 255])
    return found


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_combination(shape: tuple[int, ...]) -> None:
    """Targets, weights, ignored rows, smoothing and reductions give torch's value and gradient."""
    x = logits_of(shape)
    for target, ignored in targets_of(shape).values():
        for mark, weight, smoothing, reduction in itertools.product(
            ignored, (None, POSITIVE, SIGNED), (0.0, 0.1, 1.0), ("mean", "sum", "none")
        ):
            kept = target[target != mark]
            index = kept.long() if kept.numel() and not kept.is_floating_point() else None
            if weight is SIGNED and index is not None and SIGNED[index].sum() == 0:
                continue  # torch divides by 0, see below
            if target.dtype == torch.uint8 and weight is not None and smoothing:
                continue  # torch finds that it cannot gather with bytes
            want = assert_agree(
                lambda x, w=weight, t=target, **words: ours.cross_entropy(x, t, w, **words),
                lambda x, w=weight, t=target, **words: F.cross_entropy(x, t, w, **words),
                (x,),
                ignore_index=mark,
                label_smoothing=smoothing,
                reduction=reduction,
            )
            assert not isinstance(want, Exception)


def test_gradients_of_probabilities_and_weights() -> None:
    """Probabilities and their class weights are differentiated as in torch."""
    x, q = logits_of((3, K)), numbers(3, K, seed=1)
    for smoothing in (0.0, 0.1):
        assert_agree(ours.cross_entropy, F.cross_entropy, (x, q, SIGNED), label_smoothing=smoothing)


@pytest.mark.parametrize("amount", [-0.5, -1, float("nan"), True, False, 0, 1, torch.tensor(0.25)])
def test_odd_amounts_of_smoothing(amount: Any) -> None:
    """Amounts below 0 and nan count as 0, flags and 0-d tensors as numbers."""
    x = logits_of((3, K))
    for target in (torch.tensor([0, 3, 1]), numbers(3, K, seed=1)):
        want = assert_agree(
            lambda x, t=target: ours.cross_entropy(x, t, label_smoothing=amount),
            lambda x, t=target: F.cross_entropy(x, t, label_smoothing=amount),
            (x,),
        )
        assert not isinstance(want, Exception)


LABELS = torch.tensor([0, 3, 1])
Q = torch.full((3, K), 0.25, dtype=torch.float64)
REFUSED: list[tuple[Any, Any, dict[str, Any]]] = [
    *(((3, K), LABELS.to(t), {}) for t in (torch.int8, torch.int32, torch.uint16, torch.bool)),
    *(((3, K), LABELS.to(t), {}) for t in (torch.float32, torch.float64, torch.complex64)),
    *(((3, K), Q.to(t), {}) for t in (torch.int64, torch.bool, torch.complex64)),
    *(((3, K), torch.tensor([0, bad, 1]), {}) for bad in (K, -1, -101)),
    *(((3, K, 1), torch.tensor([[0], [bad], [1]]), {}) for bad in (K, -1)),
    *(((3, K), LABELS, {"label_smoothing": e}) for e in (1.5, math.inf, "0.1", None)),
    *(((3, K), Q, {"label_smoothing": e}) for e in (1.5, math.inf, "0.1", None)),
    *(((3, K), LABELS, {"ignore_index": i}) for i in (1.0, True, None)),
    *(((3, K), Q, {"ignore_index": i}) for i in (0, 1, 1.0, None)),
    *(((3, K), LABELS, {"reduction": r}) for r in ("batchmean", "x", None, 1, True)),
    *(((3, K), t, {"weight": torch.ones(3).double()}) for t in (LABELS, Q)),
    *(((3, K), t, {"weight": torch.ones(K, 1).double()}) for t in (LABELS, Q)),
    *(((3, K), t, {"weight": torch.tensor(1.0).double()}) for t in (LABELS, Q)),
    *(((3, K), t, {"weight": [1.0] * K}) for t in (LABELS, Q)),
    ((3, K), LABELS, {"weight": torch.ones(K)}),
    ((3, K), LABELS, {"weight": torch.ones(K).long()}),
    ((3, K), LABELS.numpy(), {}),
    ((3, K), [0, 3, 1], {}),
    *(((3, K), torch.zeros(s).long(), {}) for s in ((K,), (), (3, 1), (3, K), (K, 3), (2,))),
    *(((K,), torch.zeros(s).long(), {}) for s in ((1,), (K,), (2,), (1, K))),
    *(((2, K, 3), torch.zeros(s).long(), {}) for s in ((2, K), (2,), (K, 3), (2, 3, 1))),
    *(((2, K, 3, 5), torch.zeros(s).long(), {}) for s in ((2, 5, 3), (2, 15), (2,))),
    ((2, K, 3, 5, 1), torch.zeros((2, 3, 5)).long(), {}),
    *(((3, K), torch.zeros(s), {}) for s in ((3,), (K,), (1, K))),
    *(((K,), torch.zeros(s), {}) for s in ((), (1, K))),
    ((), torch.tensor(0), {}),
    ((0, K), torch.tensor([0]), {}),
]


@pytest.mark.parametrize(("shape", "target", "words"), REFUSED)
def test_refused(shape: tuple[int, ...], target: Any, words: dict[str, Any]) -> None:
    """What torch refuses is refused, with an error that those who catch torch's catch."""
    x = torch.zeros(shape, dtype=torch.float64)
    for smoothing in ({}, {"label_smoothing": 0.1}):
        refused = assert_agree(
            lambda x, more=smoothing: ours.cross_entropy(x, target, **{**more, **words}),
            lambda x, more=smoothing: F.cross_entropy(x, target, **{**more, **words}),
            (x,),
        )
        assert isinstance(refused, Exception)


@pytest.mark.parametrize("x", [torch.zeros(3, K).long(), Q.numpy(), Q.to(torch.complex64), None])
def test_refused_logits(x: Any) -> None:
    """Logits are tensors of real floating-point numbers."""
    for target in (LABELS, Q):
        with pytest.raises((RuntimeError, TypeError)):
            F.cross_entropy(x, target)
        with pytest.raises(ours.ArgumentTypeError):
            ours.cross_entropy(x, target)


@pytest.mark.parametrize("average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
def test_legacy_arguments(average: bool | None, reduce: bool | None) -> None:
    """The arguments that torch gives up work by position, with its warning."""
    x = logits_of((3, K))
    if average is not None or reduce is not None:
        with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
            ours.cross_entropy(x, LABELS, None, average, -100, reduce)
    want = assert_agree(
        lambda x: ours.cross_entropy(x, LABELS, POSITIVE, average, 3, reduce, "none", 0.1),
        lambda x: F.cross_entropy(x, LABELS, POSITIVE, average, 3, reduce, "none", 0.1),
        (x,),
    )
    assert not isinstance(want, Exception)
    with pytest.warns(UserWarning, match="'elementwise_mean' is deprecated"):
        ours.cross_entropy(x, LABELS, reduction="elementwise_mean")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_dtypes(dtype: Any) -> None:
    """Losses and gradients have torch's dtypes, and its values up to the rounding of those."""
    x = logits_of((6, K)).to(dtype)
    eps = torch.finfo(dtype).eps
    some = torch.tensor([0, 3, 1, -100, 2, 2])
    for reduction, smoothing in itertools.product(("mean", "sum", "none"), (0.0, 0.1)):
        words = {"label_smoothing": smoothing, "reduction": reduction}
        for weight in (None, POSITIVE.to(dtype)):
            assert_agree(
                lambda x, w=weight, **more: ours.cross_entropy(x, some, w, **more),
                lambda x, w=weight, **more: F.cross_entropy(x, some, w, **more),
                (x,), rtol=8 * eps, **words,
            )  # fmt: skip
        for other in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            q = distributions(6, K, dtype=torch.float32).to(other)
            least = max(eps, torch.finfo(other).eps)
            assert_agree(ours.cross_entropy, F.cross_entropy, (x, q), rtol=16 * least, **words)


def test_half_precision_does_not_overflow() -> None:
    """The mean of many rows of half precision is finite, as it is not in torch on the CPU."""
    x = torch.zeros(2**15, 40, dtype=torch.float16)
    y = torch.zeros(2**15, dtype=torch.int64)
    assert F.cross_entropy(x, y).isinf()
    torch.testing.assert_close(
        ours.cross_entropy(x, y), torch.tensor(math.log(40), dtype=torch.float16)
    )


def test_weights_that_add_up_to_nothing() -> None:
    """Where torch divides by 0 and has gradients of nan, the mean is nan and the gradient 0."""
    x = logits_of((3, K)).requires_grad_()
    for weight, target in ((SIGNED, torch.tensor([2, 2, 2])), (POSITIVE * 0, LABELS)):
        loss = ours.cross_entropy(x, target, weight)
        assert loss.isnan()
        assert F.cross_entropy(x, target, weight).isnan()
        assert not torch.autograd.grad(loss, x)[0].any()


def test_where_torch_has_nan() -> None:
    """What takes no part, or has no mass, may be nan or infinite: torch has nan there."""
    x = torch.tensor([[math.nan] * 3, [0.0, 1.0, -math.inf]], requires_grad=True)
    y = torch.tensor([-100, 0])
    loss = ours.cross_entropy(x, y)
    torch.testing.assert_close(loss, F.cross_entropy(x, y))
    (got,), (want,) = (
        torch.autograd.grad(f(x, y), x) for f in (ours.cross_entropy, F.cross_entropy)
    )
    assert want[0].isnan().all()
    assert not got[0].any()
    torch.testing.assert_close(got[1], want[1])
    q = torch.tensor([[1.0, 0.0, 0.0]])
    assert F.cross_entropy(x[1:], q).isnan()
    torch.testing.assert_close(ours.cross_entropy(x[1:], q), loss)


def test_more_than_torch() -> None:
    """Smoothing per row, priors, masks, sample weights, penalties and `Targets` are the core's."""
    import softtargets as st

    x, rate = logits_of((3, K, 2)), torch.tensor([[0.0, 0.1], [0.2, 0.3], [0.4, 1.0]]).double()
    y = torch.tensor([[0, 1], [2, -100], [3, 3]])
    words = {
        "prior": POSITIVE / POSITIVE.sum(),
        "spread": "others",
        "sample_weight": rate + 1,
        "where": y != 3,
        "class_mask": torch.tensor([True, True, True, False]),
        "z_loss": 0.01,
        "confidence_penalty": 0.1,
        "entropy_threshold": 1.0,
        "label_smoothing": rate,
    }
    mask = torch.ones(1, K, 1, dtype=torch.bool)
    mask[:, 3] = False
    want = st.cross_entropy(x, y, class_weight=POSITIVE, axis=1, **(words | {"class_mask": mask}))
    torch.testing.assert_close(ours.cross_entropy(x, y, POSITIVE, **words), want, rtol=0, atol=0)
    targets = Targets.from_labels(y, K)
    mixed = targets.mix(targets[[1, 2, 0]], 0.7)
    want = st.cross_entropy(x, mixed, class_weight=POSITIVE, axis=1)
    got = ours.cross_entropy(x, mixed, POSITIVE)
    torch.testing.assert_close(got, want, rtol=0, atol=0)
    assert ours.cross_entropy(x.bfloat16(), mixed).dtype == torch.bfloat16


def test_denominators_of_probabilities() -> None:
    """A mean of probabilities divides by the rows that take part, or by their sample weights."""
    x, q = logits_of((3, K)), numbers(3, K, seed=1)
    v, where = torch.tensor([1.0, 2.0, 5.0]).double(), torch.tensor([True, False, True])
    each = F.cross_entropy(x, q, POSITIVE, reduction="none")
    for words, weight in (
        ({}, torch.ones(3)),
        ({"sample_weight": v}, v),
        ({"where": where}, where.double()),
        ({"where": where, "sample_weight": v}, where * v),
        ({"where": where & ~where}, torch.zeros(3)),
    ):
        got = ours.cross_entropy(x, q, POSITIVE, **words)
        want = (each * weight).sum() / weight.sum()
        torch.testing.assert_close(got, want, equal_nan=True)
    got = ours.cross_entropy(x, q, POSITIVE, sample_weight=v, denominator=7)
    torch.testing.assert_close(got, (each * v).sum() / 7)


def test_no_warning_is_new() -> None:
    """An ordinary call warns of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours.cross_entropy(torch.zeros(3, K), LABELS, reduction="sum")
