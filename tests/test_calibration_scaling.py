"""Vector scaling, its minimiser, and the exact inverse of label smoothing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import softtargets as st
from softtargets.calibration.lbfgs import minimise
from tests.backends import Variant, assert_close, assert_follows, to_numpy
from tests.use_of_calibration import once_on_jax

cal = st.calibration


def data(rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Return logits with a wrong scale and wrong biases, and their labels."""
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, rows)
    return 2 * np.eye(3)[y] + rng.standard_normal((rows, 3)) + [1.0, 0.0, -1.0], y


def test_vector_scaling(backend: Variant) -> None:
    """At the optimum the derivatives of loss and penalty cancel, for every weight and bias."""
    x, y = data()
    dtype = backend.dtypes[-1]
    fit = cal.fit_vector_scaling(backend.asarray(x, dtype), backend.asarray(y), penalty=0.05)
    assert fit.converged
    assert_follows(fit.weight, backend.asarray(x, dtype))
    weight, bias = (to_numpy(part).astype(np.float64) for part in (fit.weight, fit.bias))
    e = np.exp(x * weight + bias)
    off = (e / e.sum(axis=1, keepdims=True) - np.eye(3)[y]) / len(y)
    centre = 1 / cal.fit_temperature(x, y).temperature
    tolerance = 1e-6 if backend.wide else 1e-4
    assert np.abs((off * x).sum(axis=0) + 0.05 * (weight - centre)).max() < tolerance
    assert np.abs(off.sum(axis=0) + 0.05 * bias).max() < tolerance
    scaled = cal.apply_vector_scaling(backend.asarray(x, dtype), fit)
    assert_close(scaled, x * weight + bias, ulps=4, scale=8.0)
    nll = st.cross_entropy(scaled, backend.asarray(y))
    assert float(to_numpy(nll)) == pytest.approx(fit.nll_after, rel=1e-9 if backend.wide else 1e-5)
    assert fit.nll_after < fit.nll_before - 0.05


def test_a_large_penalty_is_temperature_scaling() -> None:
    """With it all weights are 1/T and all biases 0; with a small one the biases are undone."""
    x, y = data(2000)
    temperature = cal.fit_temperature(x, y).temperature
    stiff = cal.fit_vector_scaling(x, y, penalty=1e7)
    np.testing.assert_allclose(stiff.weight, 1 / temperature, rtol=1e-6)
    np.testing.assert_allclose(stiff.bias, 0.0, atol=1e-6)
    loose = cal.fit_vector_scaling(x, y, penalty=1e-6)
    assert loose.converged
    # The labels were drawn so that 2 (x - offset) are the right logits.
    np.testing.assert_allclose(loose.weight, 2.0, rtol=0.15)
    np.testing.assert_allclose(np.diff(loose.bias), [2.0, 2.0], rtol=0.2)


def test_other_axes_and_infinities() -> None:
    """The class axis may be anywhere, and a class that is switched off stays so."""
    x, y = data()
    first = cal.fit_vector_scaling(x, y)
    shaped = np.moveaxis(x.reshape(3, 100, 3), -1, 1)
    second = cal.fit_vector_scaling(shaped, y.reshape(3, 100), axis=1)
    np.testing.assert_allclose(second.weight, first.weight, rtol=1e-5)
    scaled = cal.apply_vector_scaling(shaped, first, axis=1)
    np.testing.assert_array_equal(scaled[2, :, 7], cal.apply_vector_scaling(x, first)[207])
    off = np.concatenate([x, np.full((300, 1), -np.inf)], axis=1)
    third = cal.fit_vector_scaling(off, y)
    np.testing.assert_allclose(third.weight[:3], first.weight, rtol=1e-5)
    assert third.bias[3] == 0
    assert np.all(np.isneginf(cal.apply_vector_scaling(off, third)[:, 3]))


def test_a_search_that_is_cut_short() -> None:
    """A fit with too few steps says that it did not converge, and is no worse than before."""
    x, y = data()
    fit = cal.fit_vector_scaling(x, y, max_iterations=1)
    assert (fit.converged, fit.iterations) == (False, 1)
    assert fit.nll_after < fit.nll_before


def test_minimiser() -> None:
    """It finds the minimum of a badly scaled bowl and of a steep wall, and sees when to end."""
    scales = np.array([1.0, 1e4, 1e-2])

    def bowl(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(np.sum(scales * (x - 1) ** 2) / 2), scales * (x - 1)

    found = minimise(bowl, np.zeros(3), tolerance=1e-10, iterations=200)
    assert found.converged
    np.testing.assert_allclose(found.place, 1.0, rtol=1e-7)
    assert minimise(bowl, np.ones(3), tolerance=1e-10, iterations=200).iterations == 0

    def wall(x: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(over="ignore"):
            e = np.exp(50 * x)
        return float(np.sum(e - x)), 50 * e - 1

    found = minimise(wall, np.array([0.1, -0.4]), tolerance=1e-9, iterations=500)
    np.testing.assert_allclose(found.place, -np.log(50) / 50, rtol=1e-6)


def test_a_search_without_descent() -> None:
    """Where rounding hides any descent the search ends, and says that it did not converge."""

    def stuck(x: np.ndarray) -> tuple[float, np.ndarray]:
        return 1.0, np.ones(2)

    found = minimise(stuck, np.zeros(2), tolerance=1e-10, iterations=50)
    assert not found.converged
    assert found.place.tolist() == [0.0, 0.0]


def test_a_search_over_a_line() -> None:
    """A slope that does not change tells nothing about curvature, and is walked down."""

    def line(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(-x[0]), np.array([-1.0])

    found = minimise(line, np.zeros(1), tolerance=1e-10, iterations=7)
    assert (found.place.tolist(), found.converged, found.iterations) == ([7.0], False, 7)


def test_unsmooth_golden(backend: Variant) -> None:
    """For K = 10 and e = .1 the probabilities .91 and .5 were 1 and .5444 before."""
    once_on_jax(backend)
    dtype = backend.dtypes[-1]
    p = np.array([[0.91] + [0.01] * 9, [0.5] + [0.5 / 9] * 9])
    found = cal.unsmooth(backend.asarray(p, dtype), 0.1)
    assert_close(found[:, 0], [1.0, 0.49 / 0.9], ulps=8)
    assert_close(found[0, 1:], [0.0] * 9, ulps=8, scale=1.0)
    assert_follows(found, backend.asarray(p, dtype))


def test_unsmooth_undoes_smoothing(backend: Variant) -> None:
    """Smoothing and its inverse cancel, for every prior, spread, axis and dtype."""
    once_on_jax(backend)
    rng = np.random.default_rng(11)
    for dtype in backend.dtypes if backend.quick else backend.dtypes[-1:]:
        eta = rng.dirichlet(np.ones(4), 6)
        prior = backend.asarray([0.1, 0.2, 0.3, 0.4], "float32")
        q = backend.asarray(eta, dtype)
        single = "float32" if dtype in ("float16", "bfloat16") else dtype
        unit = 2.0 if single == dtype else 2.0**14
        for words in ({}, {"prior": prior}, {"spread": "others"}):
            smooth = st.smooth_labels(q, 0.25, **words)
            found = cal.unsmooth(smooth, 0.25, **words)
            assert_close(found, to_numpy(q), ulps=8 * unit, scale=1.0, dtype=single)
        turned = backend.xp.moveaxis(q, -1, 0)
        found = cal.unsmooth(st.smooth_labels(turned, 0.25, axis=0), 0.25, axis=0)
        assert_close(found, to_numpy(turned), ulps=8 * unit, scale=1.0, dtype=single)


def test_unsmooth_clips(backend: Variant) -> None:
    """What no smoothing makes is clipped at 0 and sums to 1; without clipping it is linear."""
    once_on_jax(backend)
    dtype = backend.dtypes[-1]
    p = backend.asarray([[0.9, 0.08, 0.02], [0.4, 0.3, 0.3]], dtype)
    linear = [[(v - 0.2 / 3) / 0.8 for v in row] for row in ([0.9, 0.08, 0.02], [0.4, 0.3, 0.3])]
    assert_close(cal.unsmooth(p, 0.2, clip=False), np.array(linear), ulps=8, scale=1.0)
    first = np.maximum(linear[0], 0.0)
    expected = np.array([first / first.sum(), linear[1]])
    assert_close(cal.unsmooth(p, 0.2), expected, ulps=8, scale=1.0)


@settings(max_examples=50)
@given(
    parts=some.lists(some.integers(0, 50), min_size=2, max_size=6).filter(any),
    e=some.integers(0, 99),
)
def test_unsmooth_is_exact(parts: list[int], e: int) -> None:
    """The inverse of smoothing in rationals is the distribution itself, to rounding."""
    eta = [Fraction(n, sum(parts)) for n in parts]
    share = Fraction(e, 100)
    p = [(1 - share) * v + share / len(eta) for v in eta]
    found = cal.unsmooth(np.array([[float(v) for v in p]]), e / 100)
    np.testing.assert_allclose(found[0], [float(v) for v in eta], atol=4e-16 / (1 - e / 100))


def test_unsmooth_one_class() -> None:
    """Of one class there is nothing to undo."""
    for spread in ("all", "others"):
        assert cal.unsmooth(np.ones((2, 1)), 0.5, spread=spread).tolist() == [[1.0], [1.0]]
