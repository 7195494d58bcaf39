"""What PyTorch users have: the builtin loss, eager and compiled, and timm's formula."""

from collections.abc import Callable
from typing import Any

from bench.arrays import need
from bench.cases import EPSILON, LAM
from bench.contestants.base import Run, Setup
from bench.contestants.differentiated import torch_run

Array = Any
KINDS = ("hard", "smoothed", "per_row", "mixup", "dense")
OPTIONS = ("", "class weights", "upstream 2")


def builtin_loss(setup: Setup) -> Callable[[Array], Array]:
    """Return ``torch.nn.functional.cross_entropy`` for the targets of an entry."""
    setup.only(*KINDS, options=OPTIONS)
    functional = need("torch.nn.functional")
    kind, parts, classes = setup.entry.targets, setup.parts("torch"), setup.case.classes
    weight = parts.get("class_weight")
    epsilon = EPSILON if kind in ("smoothed", "mixup") else 0.0

    def loss(logits: Array) -> Array:
        def against(targets: Array) -> Array:
            return functional.cross_entropy(logits, targets, weight=weight, label_smoothing=epsilon)

        if kind == "mixup":
            return LAM * against(parts["labels"]) + (1 - LAM) * against(parts["other_labels"])
        if kind == "per_row":
            # One epsilon per row: only as dense probabilities.
            amount = parts["epsilon"][:, None]
            q = (amount / classes).expand(-1, classes).clone()
            return against(q.scatter_add_(1, parts["labels"][:, None], 1 - amount))
        return against(parts["dense" if kind == "dense" else "labels"])

    return loss


def builtin(*, compiled: bool = False) -> Callable[[Setup], Run]:
    """Return the builtin loss."""

    def prepare(setup: Setup) -> Run:
        return torch_run(setup, builtin_loss(setup), setup.case.dtype, compiled=compiled)

    return prepare


def timm(setup: Setup) -> Run:
    """The formula of timm's LabelSmoothingCrossEntropy, in operations of torch."""
    setup.only("hard", "smoothed")
    functional, labels = need("torch.nn.functional"), setup.parts("torch")["labels"]
    epsilon = EPSILON if setup.entry.targets == "smoothed" else 0.0

    def loss(logits: Array) -> Array:
        log_p = functional.log_softmax(logits, dim=-1)
        of_label = -log_p.gather(dim=-1, index=labels.unsqueeze(1)).squeeze(1)
        of_all = -log_p.mean(dim=-1)
        return ((1 - epsilon) * of_label + epsilon * of_all).mean()

    return torch_run(setup, loss, setup.case.dtype)


def linear(*, chunked: bool = False, two_steps: bool = False) -> Callable[[Setup], Run]:
    """Return ``linear_cross_entropy`` of torch, or a linear layer and then the loss."""

    def prepare(setup: Setup) -> Run:
        setup.only("hard") if chunked else setup.only("hard", "smoothed")
        torch, functional = need("torch"), need("torch.nn.functional")
        labels = setup.parts("torch")["labels"]
        epsilon = EPSILON if setup.entry.targets == "smoothed" else 0.0
        options = torch.nn.LinearCrossEntropyOptions() if chunked else None

        def loss(features: Array, weight: Array, bias: Array = None) -> Array:
            if two_steps:
                logits = functional.linear(features, weight, bias)
                return functional.cross_entropy(logits, labels, label_smoothing=epsilon)
            return functional.linear_cross_entropy(
                *(features, weight, labels),
                linear_bias=bias,
                label_smoothing=epsilon,
                options=options,
            )

        return torch_run(setup, loss, setup.case.dtype)

    return prepare
