"""The drop-ins for `binary_cross_entropy_with_logits` and `kl_div` are torch's, entry by entry."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import softtargets as st  # noqa: E402
from softtargets import torch as ours  # noqa: E402
from tests.frameworks.agreement import assert_agree, numbers, one_thread  # noqa: E402, F401

F = torch.nn.functional
SHAPES = [(), (3,), (2, 3), (2, 3, 2), (2, 1, 3, 2), (0, 3), (2, 0)]
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
X = torch.tensor([[1.0, -2.0, 3.0], [0.0, 0.5, -1.0]], dtype=torch.float64)
T = torch.tensor([[1.0, 0.0, 0.3], [0.2, 1.0, 0.0]], dtype=torch.float64)


def broadcastable(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return some shapes that broadcast to ``shape``."""
    found = [(), shape, shape[1:], tuple(1 for _ in shape)]
    return list(dict.fromkeys([*found, (*shape[:-1], 1)] if shape else found))


def binary(x: Any, t: Any, **words: Any) -> Any:
    return ours.binary_cross_entropy_with_logits(x, t, **words)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_binary_combinations(shape: tuple[int, ...]) -> None:
    """Targets of any value, weights of any sign and shape, and reductions are as in torch."""
    x = numbers(*shape, seed=0) * 3
    shapes = broadcastable(shape)
    for t in (torch.sigmoid(numbers(*shape, seed=1)), numbers(*shape, seed=2)):
        for weight, positive, reduction in itertools.product(
            (None, *shapes), (None, *shapes), ("mean", "sum", "none")
        ):
            want = assert_agree(
                binary,
                F.binary_cross_entropy_with_logits,
                (x, t),
                weight=None if weight is None else numbers(*weight, seed=3),
                pos_weight=None if positive is None else numbers(*positive, seed=4),
                reduction=reduction,
            )
            assert not isinstance(want, Exception)


def test_binary_by_position() -> None:
    """The order of the arguments is torch's, those that it gives up included."""
    for arguments in itertools.product((None, True, False), repeat=2):
        want = assert_agree(
            lambda x, a=arguments: ours.binary_cross_entropy_with_logits(x, T, X, *a, "sum", T),
            lambda x, a=arguments: F.binary_cross_entropy_with_logits(x, T, X, *a, "sum", T),
            (X,),
        )
        assert not isinstance(want, Exception)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_binary_dtypes(dtype: Any) -> None:
    """The loss has the dtype of the target, gradients those of what they are for."""
    for other in FLOATS:
        eps = max(torch.finfo(dtype).eps, torch.finfo(other).eps)
        for words in ({}, {"weight": T.to(other)}, {"pos_weight": T}, {"weight": T.long()}):
            assert_agree(
                binary, F.binary_cross_entropy_with_logits, (X.to(dtype), T.to(other)), 16 * eps,
                **words,
            )  # fmt: skip


ONE = torch.ones((), dtype=torch.float64)
REFUSED_BINARY: list[tuple[Any, Any, dict[str, Any]]] = [
    *((X, T.to(t), {}) for t in (torch.int64, torch.uint8, torch.bool, torch.complex64)),
    *((X.to(t), T, {}) for t in (torch.int64, torch.bool, torch.complex64)),
    *((X, torch.zeros(s), {}) for s in ((3,), (2, 1), (3, 2), (1, 2, 3))),
    *((X, T, {"weight": ONE.expand(s)}) for s in ((2,), (1, 2, 3), (2, 2, 3))),
    *((X, T, {"pos_weight": ONE.expand(s)}) for s in ((2,), (1, 2, 3), (2, 2, 3))),
    *((X, T, {"weight": w}) for w in (T.numpy(), T.to(torch.complex64), 2.0)),
    *((X, T, {"pos_weight": w}) for w in (T.numpy(), T.to(torch.complex64), T.bool(), 2.0)),
    *((X, T, {"reduction": r}) for r in ("batchmean", "x", None)),
    (X, T.numpy(), {}),
]


@pytest.mark.parametrize(("x", "t", "words"), REFUSED_BINARY)
def test_binary_refused(x: Any, t: Any, words: dict[str, Any]) -> None:
    """What torch refuses is refused, with an error that those who catch torch's catch."""
    refused = assert_agree(
        lambda x: binary(x, t, **words),
        lambda x: F.binary_cross_entropy_with_logits(x, t, **words),
        (x,),
    )
    assert isinstance(refused, Exception)


def test_binary_at_infinity() -> None:
    """An infinite logit on the right side costs nothing; torch has nan there."""
    x, t = torch.tensor([math.inf, -math.inf]), torch.tensor([1.0, 0.0])
    assert F.binary_cross_entropy_with_logits(x, t).isnan()
    assert binary(x, t) == 0


def test_binary_with_more() -> None:
    """Smoothing, masks, sample weights and denominators follow torch's weights."""
    e, where = torch.tensor([0.1, 0.0, 0.5]).double(), T != 0.3
    v = torch.tensor([[1.0], [3.0]]).double()
    smooth = (1 - e) * T + e * 0.2
    each = F.binary_cross_entropy_with_logits(X, smooth, X, pos_weight=e, reduction="none")
    words = {"weight": X, "pos_weight": e, "label_smoothing": e, "prior": 0.2}
    torch.testing.assert_close(binary(X, T, reduction="none", **words), each)
    torch.testing.assert_close(binary(X, T, **words), each.mean())
    got = binary(X, T, where=where, sample_weight=v, **words)
    torch.testing.assert_close(got, (each * v * where).sum() / (v * where).sum())
    got = binary(X, T, where=where, denominator=9, **words)
    torch.testing.assert_close(got, (each * where).sum() / 9)
    got = binary(X, T, where=where & ~where, **words)
    assert got.isnan()


def test_rows_in_blocks() -> None:
    """Many logits are cut into blocks, and their weights with them."""
    x = numbers(600, 1000, seed=5)
    t, w, p = (numbers(600, 1000, seed=seed).abs() for seed in (6, 7, 8))
    e = torch.sigmoid(numbers(600, 1, seed=9))
    want = F.binary_cross_entropy_with_logits(x, (1 - e) * t + e / 2, w, pos_weight=p)
    got = binary(x, t, weight=w, pos_weight=p, label_smoothing=e)
    torch.testing.assert_close(got, want)
    log_t = F.logsigmoid(t)
    torch.testing.assert_close(
        ours.kl_div(x, log_t, reduction="sum", log_target=True),
        F.kl_div(x, log_t, reduction="sum", log_target=True),
    )


def test_targets_as_target() -> None:
    """`Targets` have their classes on axis 1, and are made dense."""
    labels = torch.tensor([[0, 2], [1, 1]])
    t = st.Targets.from_labels(labels, 3).mix(st.Targets.from_labels(labels.T, 3), 0.7).smooth(0.1)
    for dtype in FLOATS:
        x = numbers(2, 3, 2, seed=5).to(dtype)
        eps = torch.finfo(dtype).eps
        q = t.to_dense(axis=1, dtype=torch.float64)
        for got, want in (
            (binary(x, t), F.binary_cross_entropy_with_logits(x.double(), q)),
            (ours.kl_div(x, t, reduction="sum"), F.kl_div(x.double(), q, reduction="sum")),
        ):
            assert got.dtype == dtype
            torch.testing.assert_close(got.double(), want, rtol=2 * eps, atol=0)


PAIRS = [
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((2, 3), ()),
    ((3,), (2, 3)),
    ((1, 3), (2, 3)),
    ((2, 3, 2), (2, 1, 2)),
    ((), ()),
    ((), (2,)),
    ((0, 3), (0, 3)),
    ((2, 0), (2, 0)),
    ((2, 3), (2,)),
]


@pytest.mark.parametrize(("shape", "other"), PAIRS)
def test_divergence_combinations(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    """Shapes that broadcast, logarithms, all reductions and what torch gives up are as in torch."""
    x, t = F.logsigmoid(numbers(*shape, seed=0)), torch.sigmoid(numbers(*other, seed=1))
    legacy = [{"size_average": a, "reduce": r} for a in (True, False) for r in (None, True, False)]
    for reduction, log_target, more in itertools.product(
        ("mean", "batchmean", "sum", "none", "x"), (False, True), ({}, *legacy)
    ):
        if not more or log_target is False:
            assert_agree(
                ours.kl_div, F.kl_div, (x, t), reduction=reduction, log_target=log_target, **more
            )


def test_divergence_by_position() -> None:
    """The order of the arguments is torch's, and `mean` does not warn."""
    torch.testing.assert_close(
        ours.kl_div(X, T, None, None, "sum", True), F.kl_div(X, T, None, None, "sum", True)
    )
    assert ours.kl_div(X, T).ndim == 0


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_divergence_dtypes(dtype: Any) -> None:
    """The loss has the common dtype of both."""
    for other, log_target in itertools.product(FLOATS, (False, True)):
        eps = max(torch.finfo(dtype).eps, torch.finfo(other).eps)
        x, t = F.logsigmoid(X).to(dtype), torch.sigmoid(T).to(other)
        assert_agree(ours.kl_div, F.kl_div, (x, t), 16 * eps, log_target=log_target)
    for x, t in itertools.product((X, X.long(), X.to(torch.complex64), X.bool()), repeat=2):
        if x is not X or t is not X:
            assert isinstance(assert_agree(ours.kl_div, F.kl_div, (x, t)), RuntimeError)
    for x, t in ((X, T.numpy()), (X.numpy(), T)):
        with pytest.raises(ours.ArgumentTypeError):
            ours.kl_div(x, t)


def test_divergence_at_zero() -> None:
    """A target of 0 costs nothing at an infinitely small probability, where torch has nan."""
    x = torch.tensor([-math.inf, -1.0, 0.0], requires_grad=True)
    for t, log_target in (([0.0, 0.5, 0.5], False), ([-math.inf, -0.7, -0.7], True)):
        target = torch.tensor(t)
        assert F.kl_div(x, target, reduction="sum", log_target=log_target).isnan()
        got = ours.kl_div(x, target, reduction="sum", log_target=log_target)
        want = F.kl_div(x[1:], target[1:], reduction="sum", log_target=log_target)
        torch.testing.assert_close(got, want)
        (slope,) = torch.autograd.grad(got, x)
        torch.testing.assert_close(slope, -(target.exp() if log_target else target))
    assert ours.kl_div(x, torch.tensor([-0.5, 0.5, 0.5])).isnan()
    assert ours.kl_div(torch.tensor([math.nan]), torch.tensor([0.0])).isnan()


def test_divergence_with_more() -> None:
    """Smoothing along axis 1, masks and denominators follow the targets."""
    x, q = numbers(2, 3, 2, seed=0).log_softmax(1), numbers(2, 3, 2, seed=1).softmax(1)
    prior = torch.tensor([0.5, 0.3, 0.2]).double()
    smooth = 0.9 * q + 0.1 * prior[:, None]
    where = torch.tensor([[True], [False], [True]])
    each = F.kl_div(x, smooth, reduction="none")
    for target, log_target in ((q, False), (q.log(), True)):
        words = {"log_target": log_target, "label_smoothing": 0.1, "prior": prior}
        torch.testing.assert_close(ours.kl_div(x, target, reduction="none", **words), each)
        got = ours.kl_div(x, target, where=where, **words)
        torch.testing.assert_close(got, each[:, ::2].mean())
        for reduction in ("mean", "batchmean"):
            got = ours.kl_div(x, target, reduction=reduction, denominator=5, **words)
            torch.testing.assert_close(got, each.sum() / 5)
    masked = x.clone()
    masked[:, 1] = math.nan
    got = ours.kl_div(masked, q.log(), where=where, reduction="sum", log_target=True)
    torch.testing.assert_close(got, F.kl_div(x, q, reduction="none")[:, ::2].sum())
    rate = torch.tensor([[0.1, 0.2], [0.0, 1.0]]).double()
    want = F.kl_div(x, (1 - rate[:, None]) * q + rate[:, None] / 3, reduction="none")
    torch.testing.assert_close(ours.kl_div(x, q, reduction="none", label_smoothing=rate), want)
