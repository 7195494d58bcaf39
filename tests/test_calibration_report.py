"""The reliability curve, the report and the summary behind it."""

from __future__ import annotations

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant
from tests.use_of_calibration import once_on_jax

cal = st.calibration
RNG = np.random.default_rng(47)
Y = RNG.integers(0, 4, 600)
X = 2.5 * (1.5 * np.eye(4)[Y] + RNG.standard_normal((600, 4)))


def test_numbers_of_the_report(backend: Variant) -> None:
    """Each number is that of the function that is made for it."""
    once_on_jax(backend)
    dtype = backend.dtypes[-1]
    x, y = backend.asarray(X, dtype), backend.asarray(Y)
    report = cal.calibration_report(x, y, num_bins=10)
    bins = cal.CalibrationBins(from_logits=True, num_bins=10)
    bins.update(X, Y)
    digits = {"rel": 1e-12 if backend.wide else 2e-4, "abs": 1e-13 if backend.wide else 1e-5}
    e = np.exp(X)
    p = e / e.sum(axis=1, keepdims=True)
    assert report.num_rows == 600
    assert report.num_bins == 10
    assert report.accuracy == pytest.approx(np.mean(p.argmax(axis=1) == Y), **digits)
    assert report.mean_confidence == pytest.approx(p.max(axis=1).mean(), **digits)
    assert report.brier_score == pytest.approx(((p - np.eye(4)[Y]) ** 2).sum() / 600, **digits)
    nll = -np.log(p[np.arange(600), Y]).mean()
    assert report.negative_log_likelihood == pytest.approx(nll, **digits)
    for name, expected in (
        ("calibration_error", bins.error()),
        ("noise_floor", bins.noise_floor()),
        ("noise_deviation", bins.noise_deviation()),
        ("overconfidence", bins.overconfidence()),
        ("over", bins.sides()[0]),
        ("under", bins.sides()[1]),
        ("root_mean_square_error", bins.error(norm=2)),
        ("debiased_root_mean_square_error", bins.error(norm=2, debias=True)),
        ("largest_error", bins.error(norm="max")),
        ("smooth_error", cal.smooth_calibration_error(X, Y, from_logits=True)),
    ):
        # Cells of the smooth error are those of the report, or as fine.
        found = getattr(report, name)
        assert type(found) is float
        assert found == pytest.approx(float(expected), **digits), name
    low, high = report.accuracy_interval
    assert low < report.accuracy < high


def test_probabilities_have_the_same_report() -> None:
    """Probabilities give what their logits give, and so do batches that are merged."""
    e = np.exp(X)
    whole = cal.calibration_report(X, Y)
    other = cal.calibration_report(e / e.sum(axis=1, keepdims=True), Y, from_logits=False)
    parts = []
    for some in (slice(0, 100), slice(100, 101), slice(101, 600)):
        summary = cal.CalibrationSummary(from_logits=True)
        summary.update(X[some], Y[some])
        parts.append(summary)
    empty = cal.CalibrationSummary(from_logits=True)
    merged = empty.merge(parts[0]).merge(parts[1].merge(parts[2])).merge(empty).report()
    for report in (other, merged):
        for name in whole._fields[:-1]:
            assert getattr(report, name) == pytest.approx(getattr(whole, name), rel=1e-9), name
    np.testing.assert_array_equal(merged.curve.counts, whole.curve.counts)
    assert merged.calibration_error == whole.calibration_error


def test_a_report_of_nothing() -> None:
    """Where no row counts every number is nan, and none is made up."""
    report = cal.calibration_report(X[:2], np.array([-100, -100]))
    assert report.num_rows == 0
    assert np.isnan(report.calibration_error)
    assert np.isnan(report.negative_log_likelihood)
    assert str(report).splitlines()[0] == "calibration of 0 rows"


TEXT = """\
calibration of 8 rows
accuracy                 0.5000  95%: 0.2152 to 0.7848
mean confidence          0.7500  over-confident by 0.2500
ECE, 2 bins              0.2500  if calibrated: 0.1168 +- 0.0990
  too confident          0.2500
  not confident enough   0.0000
root mean square         0.2500  debiased: 0.1637
largest gap of a bin     0.2500
smECE                    0.2500  no bins
Brier score              0.6250  sum over classes, 0 to 2
log-likelihood           0.8370  negative, nats per row

           bin      count confidence accuracy   95% of accuracy   if calibrated
   0.500-1.000          8     0.7500   0.5000    0.215 to 0.785  0.375 to 1.000"""


def test_text() -> None:
    """The report is a table that says what each number means."""
    p, y = np.array([[0.75, 0.25]] * 8), np.array([0, 1] * 4)
    report = cal.calibration_report(p, y, from_logits=False, num_bins=2)
    assert str(report) == TEXT
    under = cal.calibration_report(p, y * 0, from_logits=False, num_bins=2)
    assert "under-confident by 0.2500" in str(under)


def test_curve() -> None:
    """A bin holds the means of its events; empty ones are nan and are not printed."""
    p = np.array([0.05, 0.1, 0.9, 1.0, 0.95])
    y = np.array([0, 1, 1, 1, 0])
    bins = cal.CalibrationBins(from_logits=False, num_bins=4, scope="positive")
    bins.update(p, y)
    curve = bins.reliability(level=0.9)
    assert curve.edges.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert curve.counts.tolist() == [2, 0, 0, 3]
    np.testing.assert_allclose(curve.confidence, [0.075, np.nan, np.nan, 0.95])
    np.testing.assert_allclose(curve.accuracy, [0.5, np.nan, np.nan, 2 / 3])
    # Of two events of probability .075 with probability .0056 both come true; of three of .95,
    # .857 do not leave one out.
    assert curve.consistent_low[[0, 3]].tolist() == [0.0, 2 / 3]
    assert curve.consistent_high[[0, 3]].tolist() == [0.5, 1.0]
    assert np.isnan(curve.consistent_low[1:3]).all()
    assert curve.level == 0.9
    assert len(str(curve).splitlines()) == 3
    assert "*" not in str(curve)


def test_curve_of_classes() -> None:
    """Class by class there is a row of bins for each; what chance does not explain has a star."""
    bins = cal.CalibrationBins(from_logits=True, num_bins=3, scope="classwise")
    bins.update(np.zeros((200, 2)), np.zeros(200, dtype=int))
    curve = bins.reliability()
    assert curve.counts.tolist() == [[0, 200, 0]] * 2
    assert curve.accuracy[:, 1].tolist() == [1.0, 0.0]
    lines = str(curve).splitlines()
    assert [lines[1], lines[3]] == ["class 0", "class 1"]
    assert lines[2].endswith(" *")
    assert lines[4].endswith(" *")
