"""Targets of each kind, in NumPy, for the tests of trees of JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softtargets as st

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")
pytest.importorskip("softtargets.jax")

K, N = 5, 6
RNG = np.random.default_rng(71)
X = RNG.standard_normal((N, K)).astype(np.float32)
LABELS = np.asarray([0, 1, 2, 3, 4, 2])
PRIOR = np.asarray([0.5, 0.25, 0.125, 0.0625, 0.0625])
EPSILON = np.linspace(0.0, 0.5, N)
PAIRS = np.asarray([[0, 1], [2, 3], [4, 0], [1, 2], [3, 4], [0, 2]])
SHARES = np.asarray([[0.5, 0.25]] * N)
DENSE = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)


def of(labels: Any = LABELS) -> st.Targets:
    return st.Targets.from_labels(labels, K)


def on_jax(tree: Any) -> Any:
    """The same tree with arrays of JAX. NumPy's are leaves too, and quicker to compute with."""
    return jax.tree.map(jnp.asarray, tree)


def teacher(tail: Any) -> st.Targets:
    return st.Targets.from_top_k(PAIRS, SHARES, K, tail=tail)


TARGETS: dict[str, Callable[[], st.Targets]] = {
    "labels": of,
    "ignored": lambda: of(np.where(np.arange(N) == 1, -100, LABELS)),
    "smooth": lambda: of().smooth(0.1),
    "schedule": lambda: of().smooth(np.asarray(0.1)),
    "per row": lambda: of().smooth(EPSILON),
    "others": lambda: of().smooth(0.1, prior=PRIOR, spread="others"),
    "prior per label": lambda: of().smooth(0.1, prior=np.full((K, K), 1 / K)),
    "per class": lambda: of().smooth(per_class=PRIOR),
    "mixup": lambda: of().mix(of(LABELS[::-1]), EPSILON).smooth(0.1, prior=PRIOR),
    "dense": lambda: st.Targets.from_distributions(DENSE).smooth(0.1),
    "weighted": lambda: of().weighted(PRIOR),
    "bucket": lambda: teacher("bucket"),
    "drop": lambda: teacher("drop"),
    "renormalize": lambda: teacher("renormalize"),
}


def same_bits(got: Any, want: Any) -> None:
    """Fail unless two arrays are the same, dtype and bits."""
    assert np.asarray(got).dtype == np.asarray(want).dtype
    np.testing.assert_array_equal(np.asarray(got), np.asarray(want))


def close(got: Any, want: Any) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=2e-6, atol=1e-6)


def loss_of(x: Any, t: Any) -> Any:
    return st.cross_entropy(x, t, reduction="none")
