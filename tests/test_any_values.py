"""What losses of other libraries take and ours refuse: weights of any sign, rows of any sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from softtargets.losses.binary import make_binary_problem
from softtargets.losses.evaluate import Call, value_and_gradient
from softtargets.losses.log_divergence import make_log_divergence
from softtargets.losses.problem import make_problem
from tests.backends import Variant, assert_close
from tests.reference import widest

RNG = np.random.default_rng(5)
X, Q = RNG.standard_normal((5, 4)), RNG.standard_normal((5, 4))
P = RNG.standard_normal((5, 4))
W = np.array([0.5, -1.0, 2.0, 0.0])
WHERE = np.array([True, False, True, True, False])


def both(backend: Variant, make: Any, x: Any, targets: Any, **options: Any) -> Any:
    """Return value and gradient of what ``make`` makes of NumPy arrays, brought to the library."""
    dtype = widest(backend)[0]

    def bring(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        return backend.asarray(value, dtype if value.dtype.kind == "f" else None)

    options = {name: bring(value) for name, value in options.items()}
    return value_and_gradient(Call(bring(x), bring(targets), options, make))


def assert_both_close(backend: Variant, got: Any, *want: np.ndarray) -> None:
    dtype = widest(backend)[0]
    for found, expected in zip(got, want, strict=True):
        assert_close(found, backend.asarray(np.asarray(expected), dtype), ulps=64, scale=4.0)


def test_any_distributions(backend: Variant) -> None:
    """Smoothing gives each row the same, whatever its sum, and the mean may divide by rows."""
    log_p = X - np.log(np.exp(X).sum(axis=1, keepdims=True))
    a = (0.9 * Q + 0.1 / 4) * W
    losses = -(a * log_p).sum(axis=1)
    slopes = np.exp(log_p) * a.sum(axis=1, keepdims=True) - a
    words = {"class_weight": W, "label_smoothing": 0.1, "any_values": True, "count_rows": True}
    got = both(backend, make_problem, X, Q, axis=-1, **words)
    assert_both_close(backend, got, losses.mean(), slopes / 5)
    got = both(backend, make_problem, X, Q, axis=-1, where=WHERE, **words)
    assert_both_close(backend, got, losses[WHERE].mean(), slopes * WHERE[:, None] / 3)


def test_weights_of_each_logit(backend: Variant) -> None:
    """Weights of one logit, of any sign, are no part of the denominator."""
    softplus = np.log1p(np.exp(X))
    losses = W * (P * Q * (softplus - X) + (1 - Q) * softplus)
    sigmoid = 1 / (1 + np.exp(-X))
    slopes = W * ((1 - Q) * sigmoid - P * Q * (1 - sigmoid))
    words = {"logit_weight": np.tile(W, (5, 1)), "pos_weight": P, "any_values": True}
    got = both(backend, make_binary_problem, X, Q, axis=None, **words)
    assert_both_close(backend, got, losses.mean(), slopes / 20)
    where = np.tile(WHERE[:, None], (1, 4))
    got = both(backend, make_binary_problem, X, Q, axis=None, where=where, **words)
    assert_both_close(backend, got, losses[where].mean(), slopes * where / 12)


def test_divergence_of_log_probabilities(backend: Variant) -> None:
    """Every entry is t (log t - x) with gradient -t; 0 log 0 is 0, also at a logit of -inf."""
    x, t = X.copy(), np.abs(Q)
    x[0, 0], t[0, :2] = -np.inf, 0.0
    log_t = np.log(np.where(t == 0, 1, t))
    losses = t * (log_t - np.where(t == 0, 0, x))
    got = both(backend, make_log_divergence, x, t, axis=None)
    assert_both_close(backend, got, losses.mean(), -t / 20)
    logarithms = np.where(t == 0, -np.inf, log_t)
    where = np.tile(WHERE[:, None], (1, 4))
    got = both(
        backend, make_log_divergence, x, logarithms, axis=None, log_targets=True, where=where
    )
    assert_both_close(backend, got, losses[where].mean(), -t * where / 12)
