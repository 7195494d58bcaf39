"""Random combinations of all keywords, from a fixed seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.golden.build import make
from tests.oracle.case import Case, Dense, Labels, Mix, Target

SEED = 20150612
COUNT = 32


def cases() -> list[Case]:
    """`COUNT` combinations, alternating between float64 and float32."""
    rng = np.random.default_rng(SEED)
    return [combination(rng, index) for index in range(COUNT)]


def combination(rng: np.random.Generator, index: int) -> Case:
    """One random case: each keyword appears with probability one half."""
    # Two shapes only: a library that compiles each operation for a shape is slow otherwise.
    num_classes, num_rows = int(rng.choice([2, 5])), 3
    dtype = ("float64", "float32")[index % 2]
    logits = _numbers(rng.normal(0, 4, (num_rows, num_classes)) + 100 * rng.integers(-1, 2))
    words: dict[str, Any] = {"reduction": str(rng.choice(["none", "sum", "mean"]))}
    mask = None
    if rng.random() < 0.5 and num_classes > 3:
        mask = [True] * num_classes
        mask[int(rng.integers(num_classes))] = False
        words["class_mask"] = mask
    allowed = np.flatnonzero(np.ones(num_classes) if mask is None else mask)
    words |= _smoothing(rng, num_rows, num_classes, allowed.size)
    words |= _weights(rng, num_rows, num_classes, words["reduction"])
    if rng.random() < 0.5:
        words["where"] = [bool(v) for v in rng.random(num_rows) < 0.8]
    target = _target(rng, num_rows, num_classes, allowed)
    return make(f"combination {index}", "", logits, target, dtype=dtype, **words)


def _numbers(values: Any) -> Any:
    return np.asarray(values).tolist()


def _simplex(rng: np.random.Generator, shape: tuple[int, ...], size: int) -> Any:
    """Rows of multiples of 1/64 that sum to 1: exact in every dtype."""
    draws = rng.multinomial(64 - size, [1 / size] * size, size=shape)
    return (draws + 1) / 64


def _smoothing(
    rng: np.random.Generator, num_rows: int, num_classes: int, kept: int
) -> dict[str, Any]:
    """Epsilon at most half of what turns a target spread over the others upside down."""
    largest = (kept - 1) / kept / 2
    words: dict[str, Any] = {}
    if rng.random() < 0.8:
        per_row = rng.random() < 0.5
        epsilon = rng.uniform(0, largest, num_rows) if per_row else rng.uniform(0, largest)
        words["label_smoothing"] = _numbers(epsilon)
        words["spread"] = str(rng.choice(["all", "others"]))
        kind = rng.integers(3)
        if kind:
            shape = () if kind == 1 else (num_classes,)
            words["prior"] = _numbers(_simplex(rng, shape, num_classes))
    return words


def _weights(
    rng: np.random.Generator, num_rows: int, num_classes: int, reduction: str
) -> dict[str, Any]:
    words: dict[str, Any] = {}
    if rng.random() < 0.5:
        words["class_weight"] = _numbers(rng.integers(0, 9, num_classes) / 4)
    if rng.random() < 0.5:
        words["sample_weight"] = _numbers(rng.integers(1, 9, num_rows) / 4)
    if rng.random() < 0.3 and reduction == "mean":
        words["denominator"] = float(rng.integers(1, 9))
    if rng.random() < 0.5:
        words["z_loss"] = float(rng.uniform(0, 0.1))
    if rng.random() < 0.5:
        words["confidence_penalty"] = float(rng.uniform(0, 1))
    return words


def _labels(rng: np.random.Generator, num_rows: int, allowed: Any, num_classes: int) -> Labels:
    labels = [int(rng.choice(allowed)) for _ in range(num_rows)]
    return Labels([-100 if rng.random() < 0.15 else y for y in labels], num_classes)


def _target(rng: np.random.Generator, num_rows: int, num_classes: int, allowed: Any) -> Target:
    kind = rng.integers(3)
    first = _labels(rng, num_rows, allowed, num_classes)
    if kind == 0:
        return first
    if kind == 1:
        return Mix(
            first,
            _labels(rng, num_rows, allowed, num_classes),
            _numbers(rng.integers(0, 65, num_rows) / 64),
        )
    q = np.zeros((num_rows, num_classes))
    q[:, allowed] = _simplex(rng, (num_rows,), allowed.size)
    return Dense(_numbers(q))
