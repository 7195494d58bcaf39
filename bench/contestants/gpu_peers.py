"""Fused losses for GPUs, where they are installed."""

from typing import Any

from bench.arrays import Unsupported, need
from bench.cases import EPSILON
from bench.contestants.base import Run, Setup
from bench.contestants.differentiated import torch_run

Array = Any
OPTIONS = ("", "upstream 2")


def _epsilon(setup: Setup) -> float:
    setup.only("hard", "smoothed", options=OPTIONS)
    if setup.case.device != "cuda":
        raise Unsupported("runs on a GPU only")
    return EPSILON if setup.entry.targets == "smoothed" else 0.0


def liger(setup: Setup) -> Run:
    """Liger-Kernel, which writes the gradient over the logits."""
    epsilon, labels = _epsilon(setup), setup.parts("torch")["labels"]
    losses = need("liger_kernel.transformers")
    if setup.case.features:
        fused = losses.LigerFusedLinearCrossEntropyLoss(label_smoothing=epsilon)

        def linear(features: Array, weight: Array, bias: Array = None) -> Array:
            return fused(weight, features, labels, bias)

        return torch_run(setup, linear, setup.case.dtype)
    loss = losses.LigerCrossEntropyLoss(label_smoothing=epsilon)

    def call(logits: Array) -> Array:
        return loss(logits, labels)

    return torch_run(setup, call, setup.case.dtype, overwrites=True)


def flash_attention(setup: Setup) -> Run:
    """The Triton loss that comes with flash-attention: one loss per row."""
    epsilon, labels = _epsilon(setup), setup.parts("torch")["labels"]
    fused = need("flash_attn.ops.triton.cross_entropy").cross_entropy_loss

    def loss(logits: Array) -> Array:
        losses, _ = fused(logits, labels, label_smoothing=epsilon)
        return losses.mean()

    return torch_run(setup, loss, setup.case.dtype)
