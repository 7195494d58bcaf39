"""How a case is written down: plain numbers, rounded to the dtype that it will be run in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.oracle.case import Case, Dense, Labels, Mix, Recipe, Smooth, Target, TopK, Weighted
from tests.oracle.plain import compute_dtype, round_to

_ARRAY_WORDS = ("label_smoothing", "prior", "class_weight", "sample_weight")


def rounded(values: Any, dtype: str) -> Any:
    """Nested lists with each number rounded to `dtype`; a bare number stays what it is."""
    if not isinstance(values, list):
        return values
    narrow = "float64" if dtype == "float64" else "float32"
    return round_to(np.asarray(values, dtype=narrow), dtype).astype(np.float64).tolist()


def make(
    name: str,
    about: str,
    logits: list[Any] | Recipe,
    target: Target,
    *,
    dtype: str = "float64",
    shape: tuple[int, ...] | None = None,
    axis: int = -1,
    **keywords: Any,
) -> Case:
    """A case; `logits` is one row, or a list of rows, or a recipe with a `shape`."""
    if not isinstance(logits, Recipe):
        rows = logits if isinstance(logits[0], list) else [logits]
        logits = rounded(rows, dtype)
        shape = (len(rows), len(rows[0])) if shape is None else shape
    assert shape is not None
    compute = compute_dtype(dtype)
    for word in _ARRAY_WORDS:
        if word in keywords:
            keywords[word] = rounded(keywords[word], compute)
    return Case(
        f"{name}/{dtype}",
        about,
        dtype,
        shape,
        logits,
        _rounded_target(target, compute),
        keywords,
        axis,
    )


def _rounded_target(target: Target, dtype: str) -> Target:
    if isinstance(target, Labels):
        return target
    if isinstance(target, Dense):
        return Dense(rounded(target.q, dtype))
    if isinstance(target, TopK):
        return replace(target, weights=rounded(target.weights, dtype))
    if isinstance(target, Mix):
        first, second = _rounded_target(target.first, dtype), _rounded_target(target.second, dtype)
        return Mix(first, second, rounded(target.lam, dtype))
    inner = _rounded_target(target.of, dtype)
    if isinstance(target, Weighted):
        return Weighted(inner, rounded(target.class_weight, dtype))
    return Smooth(
        inner,
        rounded(target.label_smoothing, dtype),
        rounded(target.prior, dtype),
        target.spread,
        rounded(target.per_class, dtype),
    )


def both(*args: Any, **keywords: Any) -> list[Case]:
    """The same case in float64 and in float32."""
    return [make(*args, dtype=dtype, **keywords) for dtype in ("float64", "float32")]


def pair(first: int, second: int, lam: float, num_classes: int) -> Mix:
    """One mixup row: `lam` on the class `first` and the rest on `second`."""
    return Mix(Labels([first], num_classes), Labels([second], num_classes), lam)
