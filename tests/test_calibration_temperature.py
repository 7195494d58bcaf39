"""Temperature: the optimum, that it is one, and what happens where there is none."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, to_numpy
from tests.use_of_calibration import once_on_jax

cal = st.calibration
X = np.array([[4.0, 1, 0], [2, 3, -1], [0.5, 0, 3], [3, 2.5, 0], [1, 2, 0]])
Y = np.array([0, 1, 2, 1, 0])


def exact_temperature(x: np.ndarray, q: np.ndarray, start: float) -> float:
    """Return where mean(E_p x - <q, x>) is 0 for p = softmax(x / T), with 30 digits."""
    with mpmath.workdps(30):
        rows = [[mpmath.mpf(v) for v in row] for row in x.tolist()]
        targets = [[mpmath.mpf(v) for v in row] for row in q.tolist()]

        def slope(t: mpmath.mpf) -> mpmath.mpf:
            total = mpmath.mpf(0)
            for row, target in zip(rows, targets, strict=True):
                e = [mpmath.exp(t * v) for v in row]
                mean = sum(a * v for a, v in zip(e, row, strict=True)) / sum(e)
                total += mean - sum(a * v for a, v in zip(target, row, strict=True))
            return total

        return float(1 / mpmath.findroot(slope, 1 / start))


def test_five_rows(backend: Variant) -> None:
    """The temperature of five rows, and the loss before and after it."""
    for dtype in backend.dtypes if backend.quick else backend.dtypes[-1:]:
        fit = cal.fit_temperature(backend.asarray(X, dtype), backend.asarray(Y))
        digits = 1e-10 if dtype == "float64" else 1e-5
        assert fit.temperature == pytest.approx(0.9847223313, rel=digits)
        assert fit.nll_before == pytest.approx(0.5857044740, rel=max(digits, 1e-9))
        assert fit.nll_after == pytest.approx(0.5856458454, rel=max(digits, 1e-9))
        assert fit.bounded is False
        assert fit.passes < 6


def test_kinds_of_targets(backend: Variant) -> None:
    """Labels, distributions and Targets, at any axis, with rows that do not count."""
    once_on_jax(backend)
    dtype = backend.dtypes[-1]
    rng = np.random.default_rng(3)
    q = np.moveaxis(rng.dirichlet(np.ones(3), (4, 5)), -1, 1)
    x = 2 * np.log(q) + rng.standard_normal((4, 3, 5))
    where = rng.random((4, 5)) < 0.7
    rows = np.moveaxis(x, 1, -1)[where], np.moveaxis(q, 1, -1)[where]
    expected = exact_temperature(*rows, start=2.0)
    x[~np.broadcast_to(where[:, None, :], x.shape)] = np.nan
    fit = cal.fit_temperature(
        backend.asarray(x, dtype),
        backend.asarray(q, dtype),
        where=backend.asarray(where),
        axis=1,
    )
    assert fit.temperature == pytest.approx(expected, rel=1e-9 if backend.wide else 1e-3)
    if not backend.quick:
        return
    labels = np.where(where, np.argmax(q, axis=1), -1)
    one_hot = np.eye(3)[labels[where]]
    expected = exact_temperature(rows[0], one_hot * 0.7 + 0.1, start=fit.temperature)
    smooth = st.Targets.from_labels(backend.asarray(labels), 3, ignore_index=-1).smooth(0.3)
    last = backend.asarray(np.moveaxis(x, 1, -1), dtype)
    fit = cal.fit_temperature(last, smooth)
    assert fit.temperature == pytest.approx(expected, rel=1e-9 if backend.wide else 1e-3)


NONE = {
    "always right": (4 * np.eye(3), np.arange(3), 0.01),
    "inverted": (4 * np.eye(3), np.array([1, 2, 0]), 100.0),
    "all equal": (np.ones((3, 3)), np.arange(3), 1.0),
}


@pytest.mark.parametrize("name", NONE)
def test_no_optimum(name: str, backend: Variant) -> None:
    """Without a finite optimum the temperature is a bound, positive, and the fit says so."""
    x, y, expected = NONE[name]
    fit = cal.fit_temperature(backend.asarray(x, backend.dtypes[-1]), backend.asarray(y))
    assert fit.bounded is True
    assert fit.temperature == pytest.approx(expected, rel=1e-12)
    assert fit.passes < 10
    assert fit.nll_after <= fit.nll_before
    assert "at a bound: no optimum within" in str(fit)


def test_bounds() -> None:
    """An optimum outside of the bounds gives the nearer one; 1 need not be between them."""
    low = cal.fit_temperature(X, Y, bounds=(1.5, 3.0))
    assert (low.temperature, low.bounded) == (1.5, True)
    high = cal.fit_temperature(X, Y, bounds=(0.2, 0.5))
    assert (high.temperature, high.bounded) == (0.5, True)
    assert low.nll_before == high.nll_before == pytest.approx(0.5857044740)
    inside = cal.fit_temperature(X, Y, bounds=(0.9, 0.99))
    assert inside.temperature == pytest.approx(0.9847223313, rel=1e-9)


def test_a_search_that_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the steps run out, the best so far is returned: one step of Newton from 1."""
    monkeypatch.setattr("softtargets.calibration.temperature.STEPS", 1)
    fit = cal.fit_temperature(X, Y)
    assert (fit.passes, fit.bounded) == (2, False)
    assert 1 / fit.temperature == pytest.approx(1.0152662606, rel=1e-10)


def test_far_away() -> None:
    """Logits a thousand times too large, or too small, have a thousandfold temperature."""
    for scale in (1e3, 1e-3, 30.0):
        fit = cal.fit_temperature(scale * X, Y, bounds=(1e-5, 1e5))
        assert fit.temperature == pytest.approx(0.9847223313 * scale, rel=1e-8)
        assert not fit.bounded
        assert fit.passes < 40


def test_steps_that_shrink_are_followed() -> None:
    """An optimum that is approached from one side is reached without a look at the bounds."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 300, 200)
    x = 2 * (2.5 * np.eye(300)[y] + rng.standard_normal((200, 300)))
    fit = cal.fit_temperature(x, y)
    assert not fit.bounded
    assert fit.passes <= 6


@settings(max_examples=40)
@given(seed=some.integers(0, 10**6), rows=some.integers(3, 60), noise=some.floats(0.2, 5.0))
def test_no_other_temperature_is_better(seed: int, rows: int, noise: float) -> None:
    """Neighbours of the temperature have a higher loss, unless it is a bound."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, rows)
    x = noise * (np.eye(4)[y] + rng.standard_normal((rows, 4)))
    fit = cal.fit_temperature(x, y)

    def loss(temperature: float) -> float:
        return float(st.cross_entropy(cal.apply_temperature(x, temperature), y))

    best = loss(fit.temperature)
    assert fit.nll_after == pytest.approx(best, rel=1e-9, abs=1e-15)
    assert fit.nll_before == pytest.approx(loss(1.0), rel=1e-12)
    for factor in (0.97, 1.03):
        other = fit.temperature * factor
        if 0.01 <= other <= 100:
            assert loss(other) >= best - 1e-15


def test_switched_off_classes() -> None:
    """A class with a logit of -inf takes no part at any temperature."""
    x = np.concatenate([X, np.full((5, 1), -np.inf)], axis=1)
    assert cal.fit_temperature(x, Y).temperature == pytest.approx(0.9847223313, rel=1e-10)


def test_newton_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are read a few at a time have the same temperature."""
    monkeypatch.setattr("softtargets.calibration.inputs.CHUNK", 6)
    assert cal.fit_temperature(X, Y).temperature == pytest.approx(0.9847223313, rel=1e-10)


def test_apply_temperature(backend: Variant) -> None:
    """Logits are divided, in their dtype; by a number, a 0-d array or what was fitted."""
    once_on_jax(backend)
    for dtype in backend.dtypes:
        x = backend.asarray(X, dtype)
        fit = cal.TemperatureFit(2.0, False, 1.0, 0.5, 4)
        for temperature in (2, 2.0, backend.asarray(2.0, "float32"), fit):
            found = cal.apply_temperature(x, temperature)
            assert_follows(found, x)
            assert_close(found, X / 2, ulps=1)


def test_temperature_of_saturated_predictions() -> None:
    """Smoothed logits of K = 10, e = .1 and 97 % accuracy have T = log(91) / log(.97 9/.03)."""
    gap = math.log(1 + 10 * 0.9 / 0.1)
    y = np.repeat(np.arange(10), 100)
    predicted = y.copy()
    predicted[::100], predicted[1::100], predicted[2::100] = (y[::100] + j for j in (1, 2, 3))
    x = gap * np.eye(10)[predicted % 10]
    assert cal.fit_temperature(x, y).temperature == pytest.approx(0.7951000312, rel=1e-9)


def test_recorded_logits(backend: Variant) -> None:
    """Logits of which autograd keeps a record are fitted without it."""
    once_on_jax(backend)
    x: Any = backend.asarray(X, "float32")
    if backend.row == "torch":
        x.requires_grad_()
    fit = cal.fit_temperature(x, backend.asarray(Y))
    assert isinstance(fit.temperature, float)
    scaled = cal.apply_temperature(x, fit)
    assert_close(st.cross_entropy(scaled, backend.asarray(Y)), fit.nll_after, ulps=64)
    if backend.row == "torch":
        assert scaled.requires_grad  # dividing is differentiable
        assert to_numpy(scaled).shape == X.shape
