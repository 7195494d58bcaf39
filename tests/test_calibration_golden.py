"""Calibration on small cases with known results, and on those that went wrong elsewhere."""

from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, dtype_name, to_numpy
from tests.use_of_calibration import once_on_jax

cal = st.calibration
CONFIDENCE = [0.95, 0.92, 0.88, 0.81, 0.77, 0.73, 0.66, 0.61, 0.55, 0.5]
HIT = [1, 1, 1, 0, 1, 1, 0, 1, 0, 1]
POSITIVE: dict[str, Any] = {"from_logits": False, "scope": "positive"}


def wide(backend: Variant) -> str:
    """Return the widest dtype of a variant."""
    return backend.dtypes[-1]


def sorts(backend: Variant) -> bool:
    return backend.row != "dask"


def value(result: Any) -> float:
    return float(to_numpy(result))


def near(result: Any, expected: float, backend: Variant) -> None:
    """Fail unless a 0-d result is what exact rationals give, up to rounding of its dtype."""
    assert dtype_name(result) == ("float64" if backend.wide else "float32")
    assert_close(result, expected, ulps=32, scale=1.0, dtype=wide(backend))


def test_ten_events(backend: Variant) -> None:
    """The errors of ten events are the exact rationals."""
    p, y = backend.asarray(CONFIDENCE, wide(backend)), backend.asarray(HIT)
    cases = [(5, 0.084, 0.14), (10, 0.264, 0.55), (15, 0.288, 0.81), (20, 0.366, 0.81)]
    for num_bins, ece, largest in cases if backend.quick else cases[:1]:
        bins = cal.CalibrationBins(num_bins=num_bins, **POSITIVE)
        bins.update(p, y)
        near(bins.error(), ece, backend)
        near(bins.error(norm="max"), largest, backend)
        if num_bins == 5:
            near(bins.error(norm=2), 0.0092875**0.5, backend)
            near(bins.squared_error(debias=True), -0.0907125, backend)
            near(bins.error(norm=2, debias=True), 0.0, backend)
            near(bins.overconfidence(), 0.038, backend)
            near(bins.mean_confidence(), 0.738, backend)
            near(bins.accuracy(), 0.7, backend)
    assert_follows(bins.error(), p)
    if not backend.quick:
        return
    score = cal.binary_brier_score(p, y, from_logits=False)
    assert_close(score, 0.19454, ulps=32)


def test_ten_events_in_order(backend: Variant) -> None:
    """Bins of equal mass, KS and the area of risk over coverage are the exact rationals."""
    p, y = backend.asarray(CONFIDENCE, wide(backend)), backend.asarray(HIT)
    rows = np.stack([CONFIDENCE, 1 - np.array(CONFIDENCE)], axis=1)
    miss = backend.asarray(1 - np.array(HIT))
    calls = [
        lambda: cal.calibration_error(p, y, binning="mass", num_bins=5, **POSITIVE),
        lambda: cal.calibration_error(p, y, binning="mass", num_bins=3, **POSITIVE),
        lambda: cal.ks_calibration_error(p, y, **POSITIVE),
        lambda: cal.risk_coverage_area(
            backend.asarray(rows, wide(backend)), miss, from_logits=False
        ),
    ]
    for call, expected in zip(calls, (0.164, 0.088, 0.063, 25 / 140), strict=True):
        if sorts(backend):
            near(call(), expected, backend)
        else:
            with pytest.raises(TypeError, match=r"^scores must be sorted for this, which lazy"):
                call()


def test_smooth_error(backend: Variant) -> None:
    """smECE of ten events, of one confidence, and of gaps that smoothing hides in part."""
    once_on_jax(backend)
    digits = 2e-8 if backend.wide else 2e-5
    for c, y, expected in (
        (CONFIDENCE, HIT, 0.0760397710),
        ([0.7] * 10, [1] * 6 + [0] * 4, 0.1),
        ([0.3] * 10 + [0.7] * 10, [1] + [0] * 9 + [1] * 9 + [0], 0.1585622320),
    )[: 3 if backend.quick else 1]:
        p = backend.asarray(c, wide(backend))
        found = cal.smooth_calibration_error(p, backend.asarray(y), **POSITIVE)
        assert abs(value(found) - expected) < digits


def test_brier_parts(backend: Variant) -> None:
    """Murphy's parts of ten forecasts of three values are exact, without a residual."""
    once_on_jax(backend)
    f = backend.asarray([0.9] * 4 + [0.6] * 3 + [0.3] * 3, wide(backend))
    o = backend.asarray([1, 1, 1, 0, 1, 0, 1, 0, 0, 1])
    parts = cal.brier_decomposition(f, o, num_bins=10, **POSITIVE)
    for part, expected in zip(parts, (0.219, 0.032 / 3, 0.095 / 3, 0.24, 0.0), strict=True):
        near(part, expected, backend)


def test_the_last_bin_is_closed(backend: Variant) -> None:
    """A confidence of 1 is in the last bin with others, and one of 0 in the first."""
    p = backend.asarray([[1.0, 0.0], [0.97, 0.03]], wide(backend))
    near(cal.calibration_error(p, backend.asarray([1, 0]), from_logits=False), 0.485, backend)
    if not backend.quick:
        return
    bins = cal.CalibrationBins(num_bins=3, **POSITIVE)
    bins.update(backend.asarray([0.0, 0.25, 1.0], wide(backend)), backend.asarray([0, 0, 1]))
    assert to_numpy(bins.state_dict()["counts"]).tolist() == [2, 0, 1]


def test_logits_are_never_guessed(backend: Variant) -> None:
    """Logits that look like probabilities get their softmax, if they are called logits."""
    x, y = np.array([[0.1, 0.9], [0.75, 0.25]]), backend.asarray([1, 1])
    logits = backend.asarray(x, wide(backend))
    first, second = 1 / (1 + np.exp([-0.8, -0.5]))
    near(cal.calibration_error(logits, y, from_logits=True), (1 - first + second) / 2, backend)
    near(cal.calibration_error(logits, y, from_logits=False), (0.1 + 0.75) / 2, backend)


def test_counters_do_not_saturate() -> None:
    """Of 20 million rows, four in five right, the error is exact to the last digit."""
    hits = np.tile(np.array([1, 1, 1, 1, 0], dtype=np.int8), 200_000)
    scores = np.full(hits.shape, 0.75, dtype=np.float32)
    bins = cal.CalibrationBins(**POSITIVE)
    bins.update(scores, hits)
    total = bins
    for _ in range(19):
        total = total.merge(bins)
    assert int(total.state_dict()["counts"].sum()) == 20_000_000
    assert float(total.error()) == pytest.approx(0.05, abs=1e-15)


def test_nothing_and_nan(backend: Variant) -> None:
    """The error of no rows is nan, and so is that of a row with nan; the dtype stays."""
    x = np.array([[0.0, 1.0], [2.0, 0.0]])
    y = backend.asarray([-100, -100])
    logits = backend.asarray(x, wide(backend))
    assert np.isnan(value(cal.calibration_error(logits, y, from_logits=True)))
    x[0, 0] = np.nan
    logits = backend.asarray(x, wide(backend))
    for scope in ("top", "classwise") if backend.quick else ("top",):
        found = cal.calibration_error(
            logits, backend.asarray([1, 0]), from_logits=True, scope=scope
        )
        assert np.isnan(value(found))
        assert dtype_name(found) == ("float64" if backend.wide else "float32")
    kept = cal.calibration_error(logits, backend.asarray([-100, 0]), from_logits=True)
    near(kept, 1 - 1 / (1 + np.exp(-2.0)), backend)
    if sorts(backend):
        assert np.isnan(
            value(cal.ks_calibration_error(logits, backend.asarray([1, 0]), from_logits=True))
        )


def test_bad_labels(backend: Variant) -> None:
    """A label out of range raises where looking is free, and makes the error nan elsewhere."""
    once_on_jax(backend)
    logits, y = backend.asarray(np.eye(3), wide(backend)), backend.asarray([0, 3, 1])
    if backend.may_look:
        with pytest.raises(ValueError, match=r"^targets must be in \[0, 3\) or ignore_index -100"):
            cal.calibration_error(logits, y, from_logits=True)
        return
    assert np.isnan(value(cal.calibration_error(logits, y, from_logits=True)))
    assert np.isnan(value(cal.brier_score(logits, y, from_logits=True)))
