"""What NumPy users have: formulas on whole arrays, and scikit-learn's loss."""

from typing import Any

import numpy as np

from bench.arrays import need
from bench.cases import EPSILON, LAM
from bench.contestants.base import Run, Setup

Array = Any


def dense_targets(setup: Setup, parts: dict[str, Array], dtype: Any) -> Array:
    """Return dense rows, written the plain way."""
    kind, classes = setup.entry.targets, setup.case.classes
    if kind == "dense":
        return parts["dense"]
    rows = np.arange(setup.case.rows)
    q = np.zeros((setup.case.rows, classes), dtype=dtype)
    q[rows, parts["labels"]] = LAM if kind == "mixup" else 1
    if kind == "mixup":
        q[rows, parts["other_labels"]] += dtype(1 - LAM)
    if kind == "hard":
        return q
    epsilon = parts["epsilon"][:, None] if kind == "per_row" else dtype(EPSILON)
    return (1 - epsilon) * q + epsilon / classes


def one_hot(setup: Setup) -> Run:
    """The textbook: dense targets, softmax, log."""
    setup.only("hard", "smoothed", "per_row", "mixup", "dense")
    (logits,), parts = setup.leading("numpy"), setup.parts("numpy")

    def call() -> Any:
        q = dense_targets(setup, parts, logits.dtype.type)
        shifted = logits - logits.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        norm = exponentials.sum(axis=1, keepdims=True)
        loss = -(q * (shifted - np.log(norm))).sum(axis=1).mean()
        if not setup.case.gradient:
            return loss, ()
        return loss, ((exponentials / norm - q) / len(logits),)

    return Run(call, setup.case.dtype)


def scipy(setup: Setup) -> Run:
    """SciPy's log_softmax, without dense targets."""
    setup.only("hard", "smoothed")
    log_softmax = need("scipy.special").log_softmax
    (logits,), labels = setup.leading("numpy"), setup.parts("numpy")["labels"]
    epsilon = logits.dtype.type(EPSILON if setup.entry.targets == "smoothed" else 0)
    rows = np.arange(setup.case.rows)

    def call() -> Any:
        log_p = log_softmax(logits, axis=1)
        loss = -((1 - epsilon) * log_p[rows, labels]).mean()
        if epsilon:
            loss -= epsilon * log_p.mean(axis=1).mean()
        if not setup.case.gradient:
            return loss, ()
        gradient = np.exp(log_p, out=log_p)
        gradient[rows, labels] -= 1 - epsilon
        if epsilon:
            gradient -= epsilon / setup.case.classes
        gradient /= len(logits)
        return loss, (gradient,)

    return Run(call, setup.case.dtype)


def sklearn(setup: Setup) -> Run:
    """The loss of scikit-learn's logistic regression: labels only, no smoothing."""
    setup.only("hard")
    loss = need("sklearn._loss").HalfMultinomialLoss(n_classes=setup.case.classes)
    (logits,) = setup.leading("numpy")
    labels = setup.parts("numpy")["labels"].astype(logits.dtype)

    def call() -> Any:
        losses, gradient = loss.loss_gradient(labels, logits, n_threads=setup.threads)
        gradient /= len(logits)
        return losses.mean(), (gradient,)

    return Run(call, setup.case.dtype)
