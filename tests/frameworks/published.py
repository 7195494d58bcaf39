"""What packages that are not installed compute, written from the formulas that they publish.

K classes, smoothing e; lines are those of November 2026.
"""

from typing import Any

import numpy as np


def log_softmax(x: Any) -> Any:
    z = x - x.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def at(log_p: Any, y: Any) -> Any:
    return np.take_along_axis(log_p, y[..., None], axis=-1)[..., 0]


class LabelSmoothingCrossEntropy:
    """timm: the mean of (1 - e) nll + e mean(-log p)."""

    def __init__(self, smoothing: float) -> None:
        self.smoothing = smoothing

    def __call__(self, x: Any, y: Any) -> Any:
        log_p, e = log_softmax(x), self.smoothing
        return ((1 - e) * -at(log_p, y) - e * log_p.mean(axis=-1)).mean()


class SoftTargetCrossEntropy:
    """timm: the mean of -sum q log p."""

    def __call__(self, x: Any, q: Any) -> Any:
        return -(q * log_softmax(x)).sum(axis=-1).mean()


class BinaryCrossEntropy:
    """timm: labels become 1 - e + e / K and e / K, probabilities stay; the mean of all entries."""

    def __init__(self, smoothing: float) -> None:
        self.smoothing = smoothing

    def __call__(self, x: Any, target: Any) -> Any:
        if target.shape != x.shape:
            off = self.smoothing / x.shape[-1]
            target = np.eye(x.shape[-1])[target] * (1 - self.smoothing) + off
        softplus = np.log1p(np.exp(x))
        return (target * (softplus - x) + (1 - target) * softplus).mean()


def label_smoothed_nll_loss(log_p: Any, y: Any, e: float, ignore_index: int) -> tuple[Any, Any]:
    """fairseq: (1 - e - e / (K - 1)) nll + e / (K - 1) sum(-log p), 0 for padding."""
    each = e / (log_p.shape[-1] - 1)
    nll = -at(log_p, y)
    loss = (1 - e - each) * nll - each * log_p.sum(axis=-1)
    return np.where(y == ignore_index, 0, loss), np.where(y == ignore_index, 0, nll)


class LabelSmoothingLoss:
    """OpenNMT-py: the sum of KL(q || p) with e / (K - 2) for all but label and padding."""

    def __init__(self, e: float, count: int, ignore_index: int) -> None:
        self.e, self.count, self.pad = e, count, ignore_index

    def __call__(self, log_p: Any, y: Any) -> Any:
        q = np.full(log_p.shape, self.e / (self.count - 2))
        q[:, self.pad] = 0
        np.put_along_axis(q, y[:, None], 1 - self.e, axis=-1)
        q[y == self.pad] = 0
        return (q * (np.log(np.where(q == 0, 1, q)) - log_p)).sum()


def vocab_parallel_cross_entropy(x: Any, y: Any, label_smoothing: float) -> Any:
    """Megatron-LM: (1 - s) nll - s mean(log p) of each row, with s = e K / (K - 1)."""
    log_p, count = log_softmax(x), x.shape[-1]
    s = label_smoothing * count / (count - 1)
    return (1 - s) * -at(log_p, y) - s * log_p.mean(axis=-1)
