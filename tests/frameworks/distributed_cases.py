"""Losses whose classes several processes hold, and what one process finds for all of them.

Arrays are NumPy's; ``convert`` makes those of another library of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import softtargets as st
from softtargets import distributed
from softtargets._array.trees import with_arrays

RNG = np.random.default_rng(41)
#: Those of T41, which torch draws from the seed 0.
X = np.array(
    [
        [-1.125840, -1.152360, -0.250579, -0.433879, 0.848710, 0.692009, -0.316013, -2.115219],
        [0.322275, -1.263335, 0.349983, 0.308134, 0.119842, 1.237658, 1.116777, -0.247278],
        [-1.352654, -1.695931, 0.566651, 0.793508, 0.598839, -1.555095, -0.341360, 1.853006],
        [0.750189, -0.585498, -0.173397, 0.183478, 1.389366, 1.586334, 0.946298, -0.843677],
        [-0.613583, 0.031593, -0.492677, 0.248415, 0.439696, 0.112411, 0.640792, 0.441156],
        [-0.102310, 0.792444, -0.289668, 0.052507, 0.522860, 2.302205, -1.468894, -1.586689],
    ]
)
LABELS = np.array([6, 7, 0, 1, 1, 1])
PRIOR = np.arange(1.0, 9) / 36
WEIGHT = np.array([1.0, 0.5, 2.0, 1.0, 0.25, 3.0, 0.0, 1.0])
MASK = np.array([True, True, False, True, True, True, True, True])
#: How many classes each process holds, by the number of processes.
SPLITS = {1: (8,), 2: (3, 5), 3: (2, 5, 1), 4: (2, 2, 2, 2)}


@dataclass(frozen=True)
class Case:
    """One call of the loss of all classes, and what it may cost per row in float32."""

    logits: Any
    targets: Any
    options: dict[str, Any] = field(default_factory=dict)
    row_bytes: int = 16

    def part(self, split: tuple[int, ...], rank: int) -> Any:
        """Return the logits of one process's classes."""
        return block(self.logits, split, rank, self.options.get("axis", -1))

    def converted(self, convert: Callable[[Any], Any]) -> Case:
        """Return the case in another library."""
        return with_arrays(self, convert)

    def whole(self) -> tuple[Any, Any]:
        """Return the loss and the gradient that one process finds."""
        return st.value_and_grad(st.cross_entropy)(self.logits, self.targets, **self.options)


def block(array: Any, split: tuple[int, ...], rank: int, axis: int = 0) -> Any:
    """Return the part of an array that a process holds."""
    first = sum(split[:rank])
    index = [slice(None)] * array.ndim
    index[axis] = slice(first, first + split[rank])
    return array[tuple(index)]


def _dense() -> Any:
    q = RNG.random((6, 8))
    q[:, 2] = 0
    return q / np.sum(q, axis=1, keepdims=True)


def _top_k(tail: str) -> st.Targets:
    best = np.argsort(-X, axis=1)[:, :2]
    return st.Targets.from_top_k(best, np.array([[0.5, 0.25]] * 6), 8, tail=tail)


def _hostile() -> Any:
    x = X + 1e4
    x[0, :2] = -np.inf  # in the first block no class of this row is possible
    x[1, 5] = np.inf
    x[2, 7] = np.nan
    x[3, :] = -np.inf
    x[4, 3:] = -np.inf
    return x


MIXED = st.Targets.from_labels(LABELS, 8).mix(
    st.Targets.from_labels(LABELS[::-1].copy(), 8), np.linspace(0.0, 1.0, 6)
)
IGNORED = np.array([6, -100, 0, 1, -100, 1])
ROWS = np.array([True, True, False, True, True, False])
MATRIX = np.tile(PRIOR, (8, 1))

CASES: dict[str, Case] = {
    "others": Case(X, LABELS, {"label_smoothing": 0.1, "spread": "others"}),
    "plain": Case(X, LABELS),
    "rows of their own": Case(
        X,
        IGNORED,
        {
            "label_smoothing": np.linspace(0.0, 0.5, 6),
            "sample_weight": np.arange(6.0),
            "where": ROWS,
        },
    ),
    "weights and a prior": Case(
        X, LABELS, {"label_smoothing": 0.2, "prior": PRIOR, "class_weight": WEIGHT}
    ),
    "others, weighted, of a prior": Case(
        X,
        LABELS,
        {"label_smoothing": 0.2, "prior": PRIOR, "class_weight": WEIGHT, "spread": "others"},
    ),
    "a mask and a matrix": Case(
        X, LABELS, {"label_smoothing": 0.2, "prior": MATRIX, "class_mask": MASK}
    ),
    "distributions": Case(X, _dense(), {"label_smoothing": 0.1, "reduction": "sum"}),
    "mixed": Case(X, MIXED.smooth(0.1), {"reduction": "none"}),
    "renormalised": Case(X, _top_k("renormalize"), {"denominator": 8.0}),
    "bucket": Case(X, _top_k("bucket"), {"reduction": "none"}, row_bytes=24),
    "z-loss": Case(X, LABELS, {"z_loss": 0.1, "reduction": "none"}),
    "confidence": Case(
        X,
        LABELS,
        {"z_loss": 0.1, "confidence_penalty": 0.2, "label_smoothing": 0.1},
        row_bytes=20,
    ),
    "threshold": Case(
        X, LABELS, {"confidence_penalty": 0.2, "entropy_threshold": 1.5}, row_bytes=20
    ),
    "hostile": Case(_hostile(), LABELS, {"reduction": "none"}),
    "hostile, smoothed": Case(_hostile(), LABELS, {"reduction": "none", "label_smoothing": 0.1}),
    "an axis": Case(
        np.moveaxis(X.reshape(2, 3, 8), -1, 1),
        LABELS.reshape(2, 3),
        {"axis": 1, "reduction": "none"},
    ),
    "no rows": Case(X[:0], LABELS[:0], {"reduction": "sum"}),
}


@dataclass(frozen=True)
class LinearCase:
    """One call of the loss of a whole linear layer."""

    targets: Any
    options: dict[str, Any] = field(default_factory=dict)
    bias: Any = None
    row_bytes: int = 16

    def converted(self, convert: Callable[[Any], Any]) -> LinearCase:
        """Return the case in another library."""
        return with_arrays(self, convert)

    def whole(self) -> tuple[Any, Any]:
        """Return the loss and the gradients that one process finds."""
        evaluate = st.value_and_grad(st.linear_cross_entropy)
        return evaluate(FEATURES, LAYER, self.targets, bias=self.bias, **self.options)


FEATURES, LAYER, BIAS = RNG.normal(size=(6, 4)), RNG.normal(size=(8, 4)), RNG.normal(size=8)
#: One or two rows at a time.
SMALL = {"block_bytes": 64}
LINEAR: dict[str, LinearCase] = {
    "linear others": LinearCase(LABELS, {"label_smoothing": 0.1, "spread": "others", **SMALL}),
    "linear prior": LinearCase(
        IGNORED, {"label_smoothing": 0.2, "prior": PRIOR, "class_weight": WEIGHT, **SMALL}, BIAS
    ),
    "linear bucket": LinearCase(_top_k("bucket"), {"confidence_penalty": 0.1}, BIAS, row_bytes=28),
}


def joined(parts: list[Any], axis: int) -> Any:
    """Return the array of which processes have parts."""
    return np.concatenate([np.asarray(part) for part in parts], axis=axis)


def splits(size: int) -> Iterator[tuple[int, ...]]:
    """Yield ways to give the classes to so many processes; one of them gives nothing to one."""
    yield SPLITS[size]
    if size > 1:
        yield (*(0,) * (size - 2), 8, 0)


def edges(split: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the first class and the one after the last of each process."""
    return list(itertools.pairwise([0, *itertools.accumulate(split)]))


def evaluate(case: Case, group: Any, split: tuple[int, ...], rank: int) -> tuple[Any, Any]:
    """Return the loss and the gradient of one process's part."""
    call = distributed.value_and_grad(distributed.cross_entropy)
    return call(case.part(split, rank), case.targets, class_group=group, **case.options)


def evaluate_linear(
    case: LinearCase, group: Any, split: tuple[int, ...], rank: int, layer: tuple[Any, Any]
) -> tuple[Any, Any]:
    """Return the loss and the gradients of one process's part of a layer."""
    call = distributed.value_and_grad(distributed.linear_cross_entropy)
    features, weight = layer
    bias = None if case.bias is None else block(case.bias, split, rank)
    weight = block(weight, split, rank)
    return call(features, weight, case.targets, bias=bias, class_group=group, **case.options)
