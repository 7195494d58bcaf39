"""Transition matrices of label noise."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits, to_numpy


def by_hand(count: int, rate: Any, kind: str) -> np.ndarray:
    """Return the matrix entry by entry."""
    rates, matrix = np.broadcast_to(rate, count), np.zeros((count, count))
    for i in range(count):
        matrix[i, i] = 1 - rates[i]
        for j in range(count):
            if kind == "symmetric" and j != i:
                matrix[i, j] = rates[i] / (count - 1)
            if kind == "pair" and j == (i + 1) % count:
                matrix[i, j] += rates[i]
    return matrix


@pytest.mark.parametrize("kind", ["symmetric", "pair"])
def test_definition(backend: Variant, kind: Any) -> None:
    """Rows are the true classes: 1 - r on the diagonal, r at the others or at the next."""
    # JAX compiles every operation for every shape.
    for count in (3,) if backend.row == "jax" else (2, 3, 5):
        for rate in (0.0, 0.25, 0.45, 0.9, 1.0):
            like = backend.asarray([0.0], "float32")
            matrix = st.noise_transition(count, rate, kind=kind, like=like)
            assert_follows(matrix, like)
            # Without float64 the rate is rounded, and 1 - r carries its error.
            assert_close(matrix, by_hand(count, rate, kind), ulps=1, scale=1.0)
        rates = np.linspace(0.0, 1.0, count)
        for dtype in backend.dtypes:
            per_class = backend.asarray(rates, dtype)
            matrix = st.noise_transition(count, per_class, kind=kind)
            assert_follows(matrix, per_class)
            assert_close(matrix, by_hand(count, to_numpy(per_class), kind), ulps=4, scale=0.25)


def test_library(backend: Variant) -> None:
    """Without an array the matrix is NumPy's; like= and dtype= say which library and dtype."""
    assert isinstance(st.noise_transition(2, 0.1), np.ndarray)
    assert st.noise_transition(2, 0.1).dtype == np.float64
    whole = backend.asarray([1])
    assert_follows(st.noise_transition(2, 0.1, like=whole), st.one_hot(whole, 2))
    for dtype in backend.dtypes:
        like = backend.asarray([0.0], dtype)
        assert_follows(st.noise_transition(2, 0.25, like=whole, dtype=like.dtype), like)


def test_one_class() -> None:
    """With one class there is nothing to confuse it with."""
    for kind in ("symmetric", "pair"):
        assert st.noise_transition(1, 0.3, kind=kind).tolist() == [[1.0]]  # type: ignore[arg-type]


def test_noise_is_smoothing(backend: Variant) -> None:
    """The expected target under symmetric noise is that of smoothing the others (3.6)."""
    labels = backend.asarray([0, 3, 1])
    transition = st.noise_transition(4, 0.3, like=backend.asarray([0.0], "float32"))
    hard = st.Targets.from_labels(labels, 4)
    noisy, smooth = hard.smooth(1.0, prior=transition), hard.smooth(0.3, spread="others")
    single = backend.xp.float32
    assert_close(noisy.to_dense(dtype=single), to_numpy(smooth.to_dense(dtype=single)), ulps=2)
    x = backend.asarray(np.linspace(-1, 2, 12).reshape(3, 4), "float32")
    want = to_numpy(st.cross_entropy(x, labels, label_smoothing=0.3, spread="others"))
    assert_close(st.cross_entropy(x, noisy), want, ulps=8)


@pytest.mark.parametrize("kind", ["symmetric", "pair"])
def test_mean_over_sampled_noise(kind: Any) -> None:
    """The mean loss over labels drawn from T is the loss of the target T[y], as it is linear."""
    rng = np.random.default_rng(0)
    x, transition = np.array([[2.0, 0.5, -1.0, 0.3]]), st.noise_transition(4, 0.2, kind=kind)
    drawn = rng.choice(4, size=40_000, p=transition[2])
    losses = st.cross_entropy(np.repeat(x, 4, axis=0), np.arange(4), reduction="none")
    target = st.Targets.from_labels(np.array([2]), 4).smooth(1.0, prior=transition)
    exact = float(st.cross_entropy(x, target))
    np.testing.assert_allclose(transition[2] @ losses, exact, rtol=1e-14)
    error = np.std(losses[drawn]) / np.sqrt(len(drawn))
    assert abs(np.mean(losses[drawn]) - exact) < 5 * error


@settings(max_examples=60)
@given(count=some.integers(2, 9), rate=some.floats(0, 1), pair=some.booleans())
def test_properties(count: int, rate: float, pair: bool) -> None:
    """Rows are distributions, columns too, and the trace is K (1 - r)."""
    matrix = st.noise_transition(count, rate, kind="pair" if pair else "symmetric")
    assert np.all(matrix >= 0)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(matrix.sum(axis=0), 1, rtol=1e-14)
    np.testing.assert_allclose(np.trace(matrix), count * (1 - rate), atol=1e-13)


def test_estimated_from_its_own_samples() -> None:
    """A confusion matrix of labels drawn from T gives T back, up to sampling."""
    rng = np.random.default_rng(3)
    transition = st.noise_transition(3, np.array([0.1, 0.4, 0.25]))
    confusion = np.stack([rng.multinomial(100_000, row) for row in transition])
    again = st.transition_from_confusion(confusion)
    np.testing.assert_allclose(again, transition, atol=5 * np.sqrt(0.25 / 100_000))


def test_symmetric_is_the_dense_smoothing(backend: Variant) -> None:
    """Matrix and smoothed labels are the same bits: the formula is written once."""
    classes = backend.asarray(list(range(5)))
    rate = backend.asarray(0.3, "float32")
    matrix = st.noise_transition(5, rate)
    dense = st.Targets.from_labels(classes, 5).smooth(rate, spread="others")
    assert_same_bits(matrix, dense.to_dense(dtype=rate.dtype))
