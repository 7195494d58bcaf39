"""Calibration errors against exact rationals, and against scikit-learn where it has the metric."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import softtargets as st
from tests import calibration_oracle as oracle
from tests.backends import Variant, assert_follows, to_numpy
from tests.use_of_calibration import once_on_jax

cal = st.calibration
POSITIVE: dict[str, Any] = {"from_logits": False, "scope": "positive"}


def value(result: Any) -> float:
    return float(to_numpy(result))


@some.composite
def event_lists(draw: Any) -> tuple[list[float], list[int]]:
    """Draw confidences with ties, some of them on edges of bins, and their hits."""
    grid = draw(some.sampled_from([4, 10, 15, 1000]))
    size = draw(some.integers(1, 40))
    c = draw(some.lists(some.integers(0, grid), min_size=size, max_size=size))
    y = draw(some.lists(some.integers(0, 1), min_size=size, max_size=size))
    return [v / grid for v in c], y


def events_of(c: list[float], y: list[int]) -> list[oracle.Event]:
    return [*zip(oracle.exact(c), oracle.exact(y), strict=True)]


def rounded_edges(num_bins: int) -> list[Fraction]:
    """Return the edges as the floats that they are."""
    return oracle.exact([j / num_bins for j in range(num_bins + 1)])


@settings(max_examples=60)
@given(case=event_lists(), num_bins=some.integers(1, 21))
def test_bins_of_equal_width(case: tuple[list[float], list[int]], num_bins: int) -> None:
    """Every norm, plain and debiased, both sides, and Murphy's parts are the exact rationals."""
    c, y = case
    bins = oracle.of_width(events_of(c, y), rounded_edges(num_bins))
    found = cal.CalibrationBins(num_bins=num_bins, **POSITIVE)
    found.update(np.array(c), np.array(y))
    close = {"rel": 1e-12, "abs": 1e-14}
    assert value(found.error()) == pytest.approx(float(oracle.ece(bins)), **close)
    assert value(found.error(norm="max")) == pytest.approx(float(oracle.largest(bins)), **close)
    square = float(oracle.square(bins))
    assert value(found.squared_error()) == pytest.approx(square, **close)
    assert value(found.error(norm=2)) == pytest.approx(square**0.5, **close)
    less = float(oracle.debiased_square(bins))
    assert value(found.squared_error(debias=True)) == pytest.approx(less, **close)
    assert value(found.error(norm=2, debias=True)) == pytest.approx(max(less, 0) ** 0.5, abs=1e-7)
    over, under = map(value, found.sides())
    assert over + under == pytest.approx(float(oracle.ece(bins)), **close)
    gap = float(oracle.gap([event for part in bins for event in part]))
    assert over - under == pytest.approx(gap, **close)
    assert value(found.overconfidence()) == pytest.approx(gap, **close)
    for part, exact in zip(found.brier(), oracle.brier_parts(bins), strict=True):
        assert value(part) == pytest.approx(float(exact), **close)


@settings(max_examples=60)
@given(case=event_lists(), num_bins=some.integers(1, 12), seed=some.integers(0, 99))
def test_order_of_rows(case: tuple[list[float], list[int]], num_bins: int, seed: int) -> None:
    """Bins of equal mass, KS and AURC are exact with ties, and do not depend on the order."""
    order = np.random.default_rng(seed).permutation(len(case[0]))
    c, y = np.array(case[0])[order], np.array(case[1])[order]
    events = events_of(*case)
    close = {"rel": 1e-11, "abs": 1e-13}
    bins = oracle.of_mass(events, num_bins)
    found = cal.calibration_error(c, y, binning="mass", num_bins=num_bins, **POSITIVE)
    assert value(found) == pytest.approx(float(oracle.ece(bins)), **close)
    ks = cal.ks_calibration_error(c, y, **POSITIVE)
    assert value(ks) == pytest.approx(float(oracle.kolmogorov_smirnov(events)), **close)
    # The prediction is class 0 with probability (1 + c) / 2, which class 1 then never reaches.
    top = np.stack([(1 + c) / 2, (1 - c) / 2], axis=1)
    halves = [((1 + a) / 2, b) for a, b in events]
    area = cal.risk_coverage_area(top, 1 - y, from_logits=False)
    if 0.0 not in c:
        assert value(area) == pytest.approx(float(oracle.risk_coverage(halves)), **close)


@settings(max_examples=40)
@given(seed=some.integers(0, 10**6), rows=some.integers(1, 60))
def test_sweep(seed: int, rows: int) -> None:
    """The sweep ends before the accuracies first fall, with bins of either kind."""
    rng = np.random.default_rng(seed)
    c = rng.integers(1, 1000, rows) / 1000
    y = (rng.random(rows) < c).astype(int)
    events = events_of(c.tolist(), y.tolist())
    for binning in ("mass", "width"):
        best = oracle.sweep(events, by_mass=binning == "mass")
        bins = oracle.of_mass(events, best)
        if binning == "width":
            bins = oracle.of_width(events, rounded_edges(best))
        found = cal.calibration_error(c, y, num_bins="sweep", binning=binning, norm=2, **POSITIVE)
        assert value(found) == pytest.approx(float(oracle.square(bins)) ** 0.5, abs=1e-7)


def test_all_ways_to_ask(backend: Variant) -> None:
    """Every scope, kind of bin and norm of logits, beside the same of each class on its own."""
    once_on_jax(backend)
    rng = np.random.default_rng(17)
    x, y = 2 * rng.standard_normal((40, 3)), rng.integers(0, 3, 40)
    y[::7] = -100
    where = rng.random(40) < 0.9
    x[~where] = np.nan
    kept = where & (y >= 0)
    e = np.exp(x[kept])
    p, labels = e / e.sum(axis=1, keepdims=True), y[kept]
    dtype = backend.dtypes[-1]
    arguments = backend.asarray(x, dtype), backend.asarray(y)
    words = {"from_logits": True, "num_bins": 4, "where": backend.asarray(where)}
    kinds = {
        "top": [events_of(p.max(axis=1).tolist(), (p.argmax(axis=1) == labels).tolist())],
        "classwise": [events_of(p[:, k].tolist(), (labels == k).tolist()) for k in range(3)],
    }
    digits = 1e-12 if backend.wide else 1e-5
    ways = [(scope, binning) for scope in kinds for binning in ("width", "mass")]
    if not backend.quick:
        ways = [("classwise", "width")] if backend.row == "dask" else [("top", "mass")]
    for scope, binning in ways:
        lists = kinds[scope]
        bins = [
            oracle.of_mass(one, 4) if binning == "mass" else oracle.of_width(one, rounded_edges(4))
            for one in lists
        ]
        for norm, exact in (
            (1, sum(map(oracle.ece, bins)) / len(bins)),
            (2, float(sum(map(oracle.square, bins)) / len(bins)) ** 0.5),
            ("max", max(map(oracle.largest, bins))),
        ):
            found = cal.calibration_error(
                *arguments, scope=scope, binning=binning, norm=norm, **words
            )
            assert value(found) == pytest.approx(float(exact), rel=digits, abs=digits)
            assert_follows(found, arguments[0]) if backend.wide else None
    if backend.quick:
        exact = max(map(oracle.kolmogorov_smirnov, kinds["classwise"]))
        del words["num_bins"]
        found = cal.ks_calibration_error(*arguments, scope="classwise", **words)
        assert value(found) == pytest.approx(float(exact), rel=digits, abs=digits)


def test_scikit_learn() -> None:
    """Brier scores, log loss and the reliability curve are those of scikit-learn."""
    metrics = pytest.importorskip("sklearn.metrics")
    calibration = pytest.importorskip("sklearn.calibration")
    rng = np.random.default_rng(23)
    p, y = rng.random(500), rng.integers(0, 2, 500)
    binary = cal.binary_brier_score(p, y, from_logits=False)
    assert value(binary) == pytest.approx(metrics.brier_score_loss(y, p), rel=1e-13)
    many, labels = rng.dirichlet(np.ones(4), 300), rng.integers(0, 4, 300)
    score = cal.brier_score(many, labels, from_logits=False)
    theirs = metrics.brier_score_loss(labels, many, labels=range(4), scale_by_half=False)
    assert value(score) == pytest.approx(theirs, rel=1e-13)
    nll = cal.negative_log_likelihood(many, labels, from_logits=False)
    assert value(nll) == pytest.approx(metrics.log_loss(labels, many, labels=range(4)), rel=1e-13)
    bins = cal.CalibrationBins(num_bins=10, **POSITIVE)
    bins.update(p, y)
    curve = bins.reliability()
    accuracy, confidence = calibration.calibration_curve(y, p, n_bins=10)
    np.testing.assert_allclose(curve.accuracy, accuracy, rtol=1e-13)
    np.testing.assert_allclose(curve.confidence, confidence, rtol=1e-13)


def test_smooth_error_by_quadrature() -> None:
    """smECE solves its own equation, with the reflected kernel integrated by another rule."""
    rng = np.random.default_rng(29)
    c = np.round(rng.beta(5, 2, 80), 2)
    y = (rng.random(80) < c**2).astype(int)
    width = value(cal.smooth_calibration_error(c, y, **POSITIVE))
    t = (np.arange(20_000) + 0.5) / 20_000
    smooth = np.zeros_like(t)
    for image in range(-4, 5):
        for mirrored in (c + 2 * image, -c + 2 * image):
            z = (t[:, None] - mirrored[None, :]) / width
            smooth += np.exp(-(z**2) / 2) @ ((c - y) / 80)
    smooth /= width * np.sqrt(2 * np.pi)
    assert np.mean(np.abs(smooth)) == pytest.approx(width, rel=1e-5)


def test_smooth_error_is_monotone_in_the_gap() -> None:
    """Of one confidence it is the gap itself, above and below, with any number of rows."""
    for c, several in ((0.05, (0, 40)), (0.93, (97, 100))):
        for hits in several:
            y = np.array([1] * hits + [0] * (100 - hits))
            found = cal.smooth_calibration_error(np.full(100, c), y, **POSITIVE)
            assert value(found) == pytest.approx(abs(c - hits / 100), abs=1e-9)


def test_scores_of_soft_targets(backend: Variant) -> None:
    """Brier score and log-likelihood of soft targets are means over labels drawn from them."""
    once_on_jax(backend)
    rng = np.random.default_rng(31)
    dtype = backend.dtypes[-1]
    p, q = rng.dirichlet(np.ones(3), 5), rng.dirichlet(np.ones(3), 5)
    x = backend.asarray(np.log(p), dtype)
    brier, nll = np.zeros(5), np.zeros(5)
    for k in range(3):
        brier += q[:, k] * ((p - np.eye(3)[k]) ** 2).sum(axis=1)
        nll -= q[:, k] * np.log(p[:, k])
    digits = 1e-13 if backend.wide else 1e-5
    soft = backend.asarray(q, dtype)
    ways = [(x, True), (backend.asarray(p, dtype), False)]
    for scores, from_logits in ways if backend.quick else ways[:1]:
        for function, expected in (
            (cal.brier_score, brier),
            (cal.negative_log_likelihood, nll),
        ):
            found = function(scores, soft, from_logits=from_logits, reduction="none")
            np.testing.assert_allclose(to_numpy(found), expected, rtol=digits)
            assert_follows(found, scores)
            mean = function(scores, soft, from_logits=from_logits)
            assert value(mean) == pytest.approx(np.mean(expected), rel=digits)
    if not backend.quick:
        return
    one, target = p[:, 0], q[:, 0]
    expected = target * (one - 1) ** 2 + (1 - target) * one**2
    found = cal.binary_brier_score(
        backend.asarray(np.log(one / (1 - one)), dtype),
        backend.asarray(target, dtype),
        from_logits=True,
        reduction="none",
    )
    np.testing.assert_allclose(to_numpy(found), expected, rtol=10 * digits)


def test_rows_that_do_not_count(backend: Variant) -> None:
    """Such rows give 0 to scores and nothing to their denominator, whatever they hold."""
    once_on_jax(backend)
    dtype = backend.dtypes[-1]
    p = np.array([[0.5, 0.5], [np.nan, 2.0], [0.0, 1.0], [0.25, 0.75]])
    scores = backend.asarray(p, dtype)
    y, where = backend.asarray([0, 1, 0, -100]), backend.asarray([True, False, True, True])
    words: dict[str, Any] = {"from_logits": False, "where": where}
    rows = to_numpy(cal.brier_score(scores, y, reduction="none", **words))
    assert rows.tolist() == [0.5, 0.0, 2.0, 0.0]
    assert value(cal.brier_score(scores, y, **words)) == 1.25
    if not backend.quick:
        return
    assert value(cal.brier_score(scores, y, reduction="sum", **words)) == 2.5
    rows = to_numpy(cal.negative_log_likelihood(scores, y, reduction="none", **words))
    np.testing.assert_allclose(rows, [np.log(2), 0.0, np.inf, 0.0], rtol=1e-6)
    assert value(cal.calibration_error(scores, y, num_bins=1, **words)) == pytest.approx(0.25)
    flat = backend.asarray([0.5, 7.0, 0.0, 0.25], dtype)
    words["scope"] = "positive"
    labels = backend.asarray([0, 1, 0, -100])
    assert value(cal.calibration_error(flat, labels, num_bins=1, **words)) == pytest.approx(0.25)


def test_log_likelihood_of_logits(backend: Variant) -> None:
    """It is the cross-entropy, to the last bit, and underflows nowhere."""
    once_on_jax(backend)
    x = backend.asarray([[0.0, -200.0], [1.0, 2.0]], "float32")
    y = backend.asarray([1, 0])
    found = cal.negative_log_likelihood(x, y, from_logits=True, reduction="none")
    same = st.cross_entropy(x, y, reduction="none")
    assert to_numpy(found).tolist() == to_numpy(same).tolist()
    assert to_numpy(found)[0] == 200.0


def test_inputs_are_not_changed() -> None:
    """Arrays that may be written into are as they were, whatever was asked of them."""
    rng = np.random.default_rng(37)
    p, y = rng.dirichlet(np.ones(3), 20), rng.integers(0, 3, 20)
    where = rng.random(20) < 0.8
    for scores, from_logits in ((p, False), (np.log(p), True)):
        before = scores.copy(), y.copy(), p.copy(), where.copy()
        words = {"from_logits": from_logits}
        for targets in (y, p):
            for options in ({}, {"where": where}):
                cal.brier_score(scores, targets, **words, **options)
                cal.negative_log_likelihood(scores, targets, **words, **options)
                for scope in ("top", "classwise"):
                    for binning in ("width", "mass"):
                        cal.calibration_error(
                            scores, targets, scope=scope, binning=binning, **words, **options
                        )
                cal.calibration_report(scores, targets, **words, **options)
        if from_logits:
            cal.fit_temperature(scores, y)
            cal.fit_vector_scaling(scores, y)
        else:
            cal.unsmooth(scores, 0.1)
            cal.binary_brier_score(scores[:, 0], y // 2, from_logits=False)
        for array, kept in zip((scores, y, p, where), before, strict=True):
            np.testing.assert_array_equal(array, kept)
