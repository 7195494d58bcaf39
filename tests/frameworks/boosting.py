"""Data and helpers of the tests of XGBoost and LightGBM."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits

import softtargets as st


class Data:
    """As a data set of either framework, with labels and weights on any device."""

    def __init__(self, labels: Any, weight: Any = None) -> None:
        self.labels, self.weight = labels, weight

    def get_label(self) -> Any:
        return self.labels

    def get_weight(self) -> Any:
        return self.weight


def digits(count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of ten classes."""
    x, y = load_digits(return_X_y=True)
    return x[:count], y[:count]


def tumours() -> tuple[np.ndarray, np.ndarray]:
    """Return rows of two classes."""
    x, y = load_breast_cancer(return_X_y=True)
    return x, y


def teacher(labels: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Return a distribution per label, in float32 as data sets keep them."""
    noise = rng.dirichlet(np.ones(classes), len(labels))
    return (0.6 * np.eye(classes)[labels] + 0.4 * noise).astype(np.float32)


def gap(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the largest difference between the score of the label and the mean of the others."""
    own = scores[np.arange(len(labels)), labels]
    others = (scores.sum(axis=1) - own) / (scores.shape[1] - 1)
    return float(np.max(own - others))


def plain(scores: np.ndarray, targets: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return gradient and diagonal of the summed loss, from the core in float64."""
    curved = st.value_grad_hessian(st.cross_entropy)
    return curved(scores.astype(np.float64), targets, reduction="sum", **options)[1:]
