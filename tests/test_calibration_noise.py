"""What chance does: the noise floor against exact distributions, its parts against known ones."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import softtargets as st
from softtargets.calibration import curve, noise
from tests import calibration_oracle as oracle
from tests.backends import Variant, to_numpy
from tests.use_of_calibration import once_on_jax

cal = st.calibration


def test_error_function(backend: Variant) -> None:
    """The power series is erf to rounding, and 1 where nothing else is left."""
    once_on_jax(backend)
    x = np.array([-9.0, -5.99, -2.5, -1.0, -1e-3, 0.0, 0.3, 1.0, 3.0, 6.0, 50.0])
    dtype = backend.dtypes[-1]
    found = to_numpy(noise.erf(backend.xp, backend.asarray(x, dtype)))
    expected = [math.erf(v) for v in x]
    # The factor e^(-x^2) loses as many digits as x^2 has.
    np.testing.assert_allclose(found, expected, rtol=0, atol=4e-15 if backend.wide else 2e-6)


def test_folded_mean(backend: Variant) -> None:
    """E|X| of a normal number, also where it does not vary."""
    once_on_jax(backend)
    mean, sd = np.array([0.0, 1.0, -2.0, 0.5]), np.array([1.0, 2.0, 0.0, 1e-3])
    dtype = backend.dtypes[-1]
    found = to_numpy(
        noise.folded_mean(backend.xp, backend.asarray(mean, dtype), backend.asarray(sd, dtype))
    )
    # Of deviation 2 and mean 1: 2 sqrt(2/pi) e^(-1/8) + erf(1/sqrt 8).
    second = 2 * math.sqrt(2 / math.pi) * math.exp(-1 / 8) + math.erf(1 / math.sqrt(8))
    expected = [math.sqrt(2 / math.pi), second, 2.0, 0.5]
    np.testing.assert_allclose(found, expected, rtol=1e-14 if backend.wide else 1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 40])
def test_mean_deviation_of_a_binomial_number(n: int) -> None:
    """It is the exact mean of |S - n p|."""
    import array_api_compat.numpy as xp

    p = [Fraction(1, 100), Fraction(1, 3), Fraction(1, 2), Fraction(9, 10), Fraction(999, 1000)]
    for chance in p:
        exact = sum(q * abs(k - n * chance) for k, q in enumerate(oracle.chances([chance] * n)))
        found = noise.mean_deviation(
            xp,
            np.array([float(n)]),
            np.array([float(n * chance)]),
            np.array([float(n * chance * (1 - chance))]),
        )
        assert found[0] == pytest.approx(float(exact), rel=1e-10)


def test_mean_deviation_at_the_ends() -> None:
    """Empty bins and events that are certain do not vary; huge bins are as normal numbers."""
    import array_api_compat.numpy as xp

    count = np.array([0.0, 5.0, 5.0, 1e12])
    mean = np.array([0.0, 0.0, 5.0, 3e11])
    variance = np.array([0.0, 0.0, 0.0, 2.1e11])
    found = noise.mean_deviation(xp, count, mean, variance)
    assert found[:3].tolist() == [0.0, 0.0, 0.0]
    assert found[3] == pytest.approx(math.sqrt(2 * 2.1e11 / math.pi), rel=1e-9)


def test_floor_of_events(rng: np.random.Generator) -> None:
    """The floor is the expected error of right probabilities, within a percent of the exact one."""
    p = np.round(rng.beta(8, 1, 120), 3)
    events = [(c, Fraction(0)) for c in oracle.exact(p)]
    y = np.zeros(120, dtype=int)
    for num_bins in (15, 4):
        bins = oracle.of_width(events, oracle.edges(num_bins))
        words = {"from_logits": False, "scope": "positive", "num_bins": num_bins}
        found = float(cal.noise_floor(p, y, **words))
        assert found == pytest.approx(float(oracle.floor(bins)), rel=0.01)
        square = float(cal.noise_floor(p, y, norm=2, **words)) ** 2
        assert square == pytest.approx(float(oracle.floor_square(bins)), rel=1e-12)
        mass = float(cal.noise_floor(p, y, binning="mass", **words))
        exact = float(oracle.floor(oracle.of_mass(events, num_bins)))
        assert mass == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(("rows", "width", "mass"), [(360, 0.0331, 0.0450), (1000, 0.0202, 0.0267)])
def test_known_floor(rows: int, width: float, mass: float) -> None:
    """Of scores of Beta(8, 1) the floor is the mean error that sampling showed, in 15 bins."""
    rng = np.random.default_rng(1)
    y = np.zeros(rows, dtype=int)
    floors = []
    for _ in range(60):
        p = rng.beta(8, 1, rows)
        words = {"from_logits": False, "scope": "positive"}
        floors.append([float(cal.noise_floor(p, y, binning=b, **words)) for b in ("width", "mass")])
    # Of the sampled means the last digit is uncertain.
    assert np.mean(floors, axis=0) == pytest.approx([width, mass], abs=0.001)


def test_floor_and_deviation_of_samples() -> None:
    """Errors of samples have the floor as their mean, and the deviation that is stated."""
    rng = np.random.default_rng(1)
    p = rng.beta(8, 1, 360)
    found = []
    for _ in range(400):
        drawn = cal.CalibrationBins(from_logits=False, scope="positive")
        drawn.update(p, (rng.random(360) < p).astype(int))
        found.append(float(drawn.error()))
    floor, deviation = float(drawn.noise_floor()), float(drawn.noise_deviation())
    assert np.mean(found) == pytest.approx(floor, abs=4 * np.std(found) / 20)
    assert np.std(found) == pytest.approx(deviation, rel=0.12)


def test_debiased_error_is_less_biased() -> None:
    """On average the debiased errors of calibrated rows are nearer to 0 than the plain ones."""
    rng = np.random.default_rng(2)
    p = rng.beta(4, 2, 300)
    plain, less, square = [], [], []
    for _ in range(200):
        bins = cal.CalibrationBins(from_logits=False, scope="positive", num_bins=10)
        bins.update(p, (rng.random(300) < p).astype(int))
        plain.append(float(bins.error()))
        less.append(float(bins.error(debias=True)))
        square.append(float(bins.squared_error(debias=True)))
    assert np.mean(less) < 0.75 * np.mean(plain)
    # The square is unbiased but for bins of one event: 0 within what 200 samples say.
    assert abs(np.mean(square)) < 4 * np.std(square) / math.sqrt(200)


def test_debiased_norm_1() -> None:
    """Norm 1 is less what normal noise of each bin adds to its gap."""
    c, y = np.array([0.9] * 8 + [0.3] * 4), np.array([1] * 6 + [0] * 2 + [1, 0, 0, 0])
    gap = np.array([0.9 * 8 - 6, 0.3 * 4 - 1])
    deviation = np.sqrt([8 * 0.75 * 0.25, 4 * 0.25 * 0.75])
    grid = np.linspace(-12, 12, 400_001)
    density = np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi) * (grid[1] - grid[0])
    folded = [np.sum(np.abs(g + s * grid) * density) for g, s in zip(gap, deviation, strict=True)]
    expected = sum(2 * np.abs(gap) - folded) / 12
    words = {"from_logits": False, "scope": "positive", "num_bins": 10, "debias": True}
    assert float(cal.calibration_error(c, y, **words)) == pytest.approx(max(expected, 0), abs=1e-9)


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (3, 5), (5, 5), (81, 100)])
def test_wilson(hits: int, count: int) -> None:
    """The ends of Wilson's interval are where the score test just rejects."""
    z = 1.959963984540054
    low, high = curve.wilson(np.array([float(count)]), np.array([hits / count]), 0.95)
    for end in (low[0], high[0]):
        if 1e-9 < end < 1 - 1e-9:
            test = abs(hits / count - end) / math.sqrt(end * (1 - end) / count)
            assert test == pytest.approx(z, rel=1e-9)
    assert low[0] <= hits / count <= high[0]
    assert (low[0] < 1e-15) == (hits == 0)


@pytest.mark.parametrize(("count", "p"), [(1, 0.7), (6, 0.5), (30, 0.97), (500, 0.2)])
def test_range_of_hits(count: int, p: float) -> None:
    """At most 5 % of binomial numbers lie on either side of it, and it cannot be narrower."""
    chance = [float(q) for q in oracle.chances([Fraction(str(p))] * count)]
    low, high = (round(end * count) for end in curve.hit_range(count, p, 0.9))
    assert sum(chance[:low]) <= 0.05 < sum(chance[: low + 1])
    assert sum(chance[high + 1 :]) <= 0.05 < sum(chance[high:])


def test_range_of_certain_hits() -> None:
    """Where every event is certain there is nothing to vary; large bins take a moment only."""
    assert curve.hit_range(10, 1.0, 0.9) == (1.0, 1.0)
    assert curve.hit_range(10, 0.0, 0.9) == (0.0, 0.0)
    low, high = curve.hit_range(10**9, 0.5, 0.95)
    half = 1.959964 * math.sqrt(0.25 / 10**9)
    assert low == pytest.approx(0.5 - half, abs=2e-9)
    assert high == pytest.approx(0.5 + half, abs=2e-9)
