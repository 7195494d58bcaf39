"""Losses of a linear layer as functions of every floating-point argument with a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

import softtargets as st
from tests.backends import Variant
from tests.differentiable import Loss, best, dense, labels, one_label, softmax
from tests.differentiable import arguments as other_arguments

#: Blocks of 2 rows of 4 classes in float64: 3 rows are a whole block and a remainder.
BLOCK = 2 * 8 * 4


def arguments(backend: Variant, dtype: str = "float64") -> dict[str, Any]:
    """The features, weight and bias of 3 rows of 2 features, and all that a loss can take."""
    rng = np.random.default_rng(6)
    layer = {"y": (3, 2), "m": (4, 2), "b": (4,)}
    values = {name: rng.standard_normal(shape) for name, shape in layer.items()}
    made = {name: backend.asarray(value, dtype=dtype) for name, value in values.items()}
    return other_arguments(backend, dtype) | made


def loss(y: Any, m: Any, targets: Any, b: Any = None, **words: Any) -> Any:
    return st.linear_cross_entropy(y, m, targets, bias=b, block_bytes=BLOCK, **words)


#: name -> the arguments to differentiate for, and the loss of a backend and of those arguments.
FUNCTIONS: dict[str, tuple[tuple[str, ...], Loss]] = {
    "layer": (
        ("y", "m", "b"),
        lambda v, y, m, b: loss(y, m, labels(v), b, label_smoothing=0.1),
    ),
    "rows": (
        ("y", "m"),
        lambda v, y, m: loss(y, m, labels(v), label_smoothing=0.1, reduction="none"),
    ),
    "weights": (
        ("y", "m", "b", "w", "v", "e"),
        lambda v, y, m, b, w, s, e: loss(
            y, m, labels(v), b, label_smoothing=e, class_weight=w, sample_weight=s
        ),
    ),
    "priors": (
        ("y", "m", "u", "rows"),
        lambda v, y, m, u, rows: loss(
            y, m, labels(v), label_smoothing=rows, prior=softmax(v, u), spread="others"
        ),
    ),
    "dense": (
        ("y", "m", "q", "e"),
        lambda v, y, m, q, e: loss(y, m, dense(v, q).smooth(e), reduction="none"),
    ),
    "mixed": (
        ("y", "b", "lam", "q"),
        lambda v, y, b, lam, q: loss(
            y, v.xp.ones_like(y[:1, :]) * b[:, None], one_label(v).mix(dense(v, q), lam), b
        ),
    ),
    "bucket": (
        ("y", "m", "top", "e"),
        lambda v, y, m, top, e: loss(y, m, best(v, top, "bucket").smooth(e)),
    ),
    "penalties": (
        ("y", "m", "b", "z"),
        lambda v, y, m, b, z: loss(y, m, labels(v), b, z_loss=z, confidence_penalty=z),
    ),
    "denominator": (
        ("y", "m", "n"),
        lambda v, y, m, n: loss(y, m, labels(v), denominator=n),
    ),
}


def function_of(
    name: str, backend: Variant, dtype: str = "float64"
) -> tuple[Loss, tuple[Any, ...]]:
    """One of the functions on one backend, and the values of its arguments."""
    leaves, function = FUNCTIONS[name]
    values = arguments(backend, dtype)

    def of(*given: Any) -> Any:
        return function(backend, *given)

    return of, tuple(values[leaf] for leaf in leaves)
