"""Losses as functions of every floating-point argument that can have a derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import softtargets as st
from tests.backends import Variant

Loss = Callable[..., Any]


def arguments(backend: Variant, dtype: str = "float64") -> dict[str, Any]:
    """Everything in a call that can have a derivative, away from the ends of its range."""
    rng = np.random.default_rng(5)
    values = {
        "x": rng.standard_normal((3, 4)),
        "q": rng.standard_normal((3, 4)),
        "u": rng.standard_normal(4),
        "table": rng.standard_normal((4, 4)),
        "w": rng.random(4) + 0.5,
        "v": rng.random(3) + 0.5,
        "e": np.asarray(0.2),
        "rows": np.asarray([0.2, 0.1, 0.4]),
        "classes": np.asarray([0.2, 0.1, 0.4, 0.3]),
        "lam": np.asarray([0.25, 0.5, 0.75]),
        "top": np.asarray([[0.5, 0.25], [0.25, 0.5], [0.125, 0.25]]),
        "z": np.asarray(0.1),
        "n": np.asarray(2.0),
    }
    return {name: backend.asarray(value, dtype=dtype) for name, value in values.items()}


def labels(backend: Variant) -> Any:
    return backend.asarray([2, -100, 0])


def one_label(backend: Variant) -> st.Targets:
    return st.Targets.from_labels(labels(backend), 4)


def best(backend: Variant, weights: Any, tail: str) -> st.Targets:
    classes = backend.asarray([[0, 1], [3, 3], [2, 0]])
    return st.Targets.from_top_k(classes, weights, 4, tail=tail)


def softmax(backend: Variant, x: Any) -> Any:
    powers = backend.xp.exp(x)
    return powers / backend.xp.sum(powers, axis=-1, keepdims=True)


def dense(backend: Variant, q: Any) -> st.Targets:
    return st.Targets.from_distributions(softmax(backend, q))


def merged(backend: Variant, x: Any, weight: Any, penalty: Any) -> Any:
    left, right = (
        st.SoftmaxState.of(x[:, a:b], one_label(backend), first_class=a, class_weight=weight)
        for a, b in ((0, 1), (1, 4))
    )
    return left.merge(right).loss(z_loss=penalty, confidence_penalty=penalty)


#: name -> the arguments to differentiate for, and the loss of a backend and of those arguments.
FUNCTIONS: dict[str, tuple[tuple[str, ...], Loss]] = {
    "weights": (
        ("x", "w", "v", "e"),
        lambda b, x, w, v, e: st.cross_entropy(
            x, labels(b), label_smoothing=e, class_weight=w, sample_weight=v
        ),
    ),
    "priors": (
        ("x", "u", "rows"),
        lambda b, x, u, rows: st.cross_entropy(
            x, labels(b), label_smoothing=rows, prior=softmax(b, u)
        ),
    ),
    "others": (
        ("x", "u", "e"),
        lambda b, x, u, e: st.cross_entropy(
            x, labels(b), label_smoothing=e, prior=softmax(b, u), spread="others"
        ),
    ),
    "table": (
        ("x", "table", "classes"),
        lambda b, x, table, classes: st.cross_entropy(
            x,
            one_label(b).smooth(per_class=classes, prior=softmax(b, table), spread="others"),
        ),
    ),
    "dense": (
        ("x", "q", "e"),
        lambda b, x, q, e: st.cross_entropy(x, dense(b, q).smooth(e), reduction="none"),
    ),
    "mixed": (
        ("x", "lam", "q"),
        lambda b, x, lam, q: st.cross_entropy(x, one_label(b).mix(dense(b, q), lam)),
    ),
    "bucket": (
        ("x", "top", "e"),
        lambda b, x, top, e: st.cross_entropy(x, best(b, top, "bucket").smooth(e)),
    ),
    "drop": (
        ("x", "top", "w"),
        lambda b, x, top, w: st.cross_entropy(x, best(b, top, "drop").weighted(w)),
    ),
    "renormalize": (
        ("x", "top"),
        lambda b, x, top: st.cross_entropy(x, best(b, top, "renormalize")),
    ),
    "penalties": (
        ("x", "w", "z"),
        lambda b, x, w, z: st.cross_entropy(
            x, labels(b), class_weight=w, z_loss=z, confidence_penalty=z
        ),
    ),
    "denominator": (
        ("x", "n"),
        lambda b, x, n: st.cross_entropy(x, labels(b), denominator=n),
    ),
    "merged": (("x", "w", "z"), merged),
}


def function_of(
    name: str, backend: Variant, dtype: str = "float64"
) -> tuple[Loss, tuple[Any, ...]]:
    """One of the functions on one backend, and the values of its arguments."""
    leaves, function = FUNCTIONS[name]
    values = arguments(backend, dtype)

    def loss(*given: Any) -> Any:
        return function(backend, *given)

    return loss, tuple(values[leaf] for leaf in leaves)
