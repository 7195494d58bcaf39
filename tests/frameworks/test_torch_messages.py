"""Every error of `softtargets.torch`: torch's arguments, the rule, and what was received."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from softtargets import torch as ours  # noqa: E402
from softtargets._array import errors  # noqa: E402
from tests.error_calls import calls_of_errors, recorder  # noqa: E402

Y = torch.tensor([0, 3, 1])
X, Q = torch.zeros(3, 4), torch.full((3, 4), 0.25)
#: Features and the layer that makes such logits of them.
H, LAYER = torch.zeros(3, 2), torch.zeros(4, 2)


def ce(target: Any, *arguments: Any, x: Any = X, **words: Any) -> Callable[[], object]:
    return lambda: ours.cross_entropy(x, target, *arguments, **words)


def bce(target: Any = Q, *, x: Any = X, **words: Any) -> Callable[[], object]:
    return lambda: ours.binary_cross_entropy_with_logits(x, target, **words)


def kl(target: Any, *, x: Any = X) -> Callable[[], object]:
    return lambda: ours.kl_div(x, target)


def linear(target: Any = Y, *, x: Any = H, w: Any = LAYER, **words: Any) -> Callable[[], object]:
    return lambda: ours.linear_cross_entropy(x, w, target, **words)


def mixup(**words: Any) -> Callable[[], object]:
    return lambda: ours.Mixup(**{"num_classes": 3, **words})


CASES: list[tuple[str, Callable[[], object]]] = [
    ("input must be a tensor, got ndarray", ce(Y, x=Q.numpy())),
    ("target must have dtype int64 or uint8 for labels, got torch.int32", ce(Y.int())),
    ("target must have shape (3,) for labels or (3, 4) for distributions, got (2,) "
     "[input: (3, 4), axis: 1]", ce(Y[:2])),
    ("target must be in [0, 4) or ignore_index -100, got 4 at position (1,)", ce(Y + 1)),
    ("target must be an array, got list", ce([0, 3, 1])),
    ("input and target must come from one array library, got torch and numpy", ce(Y.numpy())),
    ("ignore_index must be below 0 for probabilities (where= masks rows), got 1",
     ce(Q, ignore_index=1)),
    ("weight must be a tensor, got list", ce(Y, [1.0] * 4)),
    ("weight must have the dtype torch.float32 of input for labels, got torch.float64",
     ce(Y, torch.ones(4).double())),
    ("weight must have shape (4,), got (3,)", ce(Y, torch.ones(3))),
    ("label_smoothing must be in [0, 1], got 1.5", ce(Y, label_smoothing=1.5)),
    ("reduction must be one of 'none', 'sum', 'mean', got 'batchmean'",
     ce(Y, reduction="batchmean")),
    ("input must be a tensor, got ndarray", bce(x=Q.numpy())),
    ("target must have a real floating-point dtype, got torch.int64", bce(Q.long())),
    ("target must have shape (3, 4), got (4,) [input: (3, 4), axis: None]", bce(Q[0])),
    ("weight must broadcast to (3, 4), got (3,)", bce(weight=Q[:, 0])),
    ("weight must be a tensor, got float", bce(weight=2.0)),
    ("pos_weight must have a real dtype, got torch.bool", bce(pos_weight=Q.bool())),
    ("label_smoothing must be in [0, 1], got 2.0", bce(label_smoothing=2)),
    ("target must broadcast with the shape (3, 4) of input, got (3,)", kl(Q[:, 0])),
    ("input must have a real floating-point dtype, got torch.int64", kl(Q, x=X.long())),
    ("input must have shape (D,) or (N, D), got ()", linear(x=H[0, 0])),
    ("linear_weight must have shape (C, 2) or (C, *places, 2), got (2,) [input: (3, 2)]",
     linear(w=LAYER[0])),
    ("linear_weight must have shape (C, 2), got (4, 1, 2) [input: (2,)]",
     linear(x=H[0], w=LAYER[:, None])),
    ("linear_weight must have the dtype float32 of input, got float64",
     linear(w=LAYER.double())),
    ("linear_bias must have shape (4,), got (2,)", linear(linear_bias=H[0])),
    ("linear_bias must be a tensor, got float", linear(linear_bias=0.5)),
    ("ignore_index must be None for probabilities, got 1", linear(Q, ignore_index=1)),
    ("weight must have shape (4,), got (3,)",
     lambda: ours.LinearCrossEntropyLoss(2, 4, weight=torch.ones(3))),
    ("label_smoothing must be in [0, 1], got -0.1",
     lambda: ours.LinearCrossEntropyLoss(2, 4, label_smoothing=-0.1)),
    ("num_classes must be at least 1, got 0", mixup(num_classes=0)),
    ("alpha must be above 0 where cutmix_alpha is 0, got 0", mixup(alpha=0)),
    ("alpha must be finite and at least 0, got -1.0", mixup(alpha=-1.0)),
    ("cutmix_alpha must be a number, got str", mixup(cutmix_alpha="1")),
    ("cutmix_share must be in [0, 1], got 2.0", mixup(cutmix_share=2.0)),
    ("generator must be a torch.Generator or None, got int", mixup(generator=3)),
]  # fmt: skip


@pytest.mark.parametrize(("message", "act"), CASES, ids=[case[0] for case in CASES])
def test_message(message: str, act: Callable[[], object]) -> None:
    """A bad argument raises the error whose text is this."""
    with pytest.raises((TypeError, ValueError)) as caught:
        act()
    assert str(caught.value) == message


def test_every_call_has_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place that builds a message is reached by a case of this file."""
    wanted, reached = calls_of_errors({"torch"}), set()
    for name in set(wanted.values()):
        monkeypatch.setattr(errors, name, recorder(getattr(errors, name), reached))
    for _, act in CASES:
        with pytest.raises((TypeError, ValueError)):
            act()
    assert set(wanted) - reached == set()
    assert wanted
