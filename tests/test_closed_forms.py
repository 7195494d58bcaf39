"""Closed forms of smoothing: optimal logits, gaps, minimal losses, and what stands for what."""

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

import softtargets as st
from softtargets import analysis
from tests.backends import Variant, assert_close, assert_follows, dtype_name
from tests.use_of_analysis import skip_what_is_single

PRIOR = np.array([0.5, 0.25, 0.125, 0.125])
ROWS = np.array(
    [[0.5, 0.25, 0.125, 0.125], [0.25] * 4, [0.125, 0.5, 0.25, 0.125], [0.7, 0.1, 0.1, 0.1]]
)


@pytest.mark.parametrize(
    ("epsilon", "count", "gap", "minimum"),
    [
        (0.1, 2, 2.9444389792, 0.1985152433),
        (0.1, 10, 4.5108595065, 0.5002880351),
        (0.1, 100, 6.8035052576, 0.7777970419),
        (0.1, 1000, 9.1050909613, 1.0148479977),
        (0.05, 10, 5.2522734280, 0.2823962428),
        (0.2, 10, 3.7135720667, 0.8668939107),
        (0.1, 32_000, 12.5707192313, 1.3623896831),
        (0.1, 128_256, 13.9590089892, None),
        (0.1, 256_000, 14.6501577348, None),
    ],
)
def test_published(epsilon: float, count: int, gap: float, minimum: float | None) -> None:
    """Gaps and minimal losses are the numbers known to ten digits."""
    assert analysis.optimal_logit_gap(epsilon, count) == pytest.approx(gap, abs=5e-11)
    if minimum is not None:
        assert analysis.minimum_loss(epsilon, count) == pytest.approx(minimum, abs=5e-11)


def test_published_others() -> None:
    """The mass of the others alone has a higher floor."""
    found = analysis.minimum_loss(0.1, 10, spread="others")
    assert found == pytest.approx(0.5448054311, abs=5e-11)


def exact(epsilon: float, count: int, spread: str) -> tuple[Any, Any]:
    """Return gap and minimal loss with 100 digits, from the masses themselves."""
    with mpmath.workdps(100):
        e = mpmath.mpf(epsilon)
        other = e / count if spread == "all" else e / (count - 1)
        own = 1 - e + other if spread == "all" else 1 - e
        loss = sum(-n * m * mpmath.log(m) for n, m in ((1, own), (count - 1, other)) if m > 0)
        if own == 0:
            return -mpmath.inf, loss
        return mpmath.log(own / other) if other else mpmath.inf, loss


@given(epsilon=some.floats(1e-30, 1), count=some.integers(2, 10**6), others=some.booleans())
def test_precision(epsilon: float, count: int, others: bool) -> None:
    """Both are right to a few ulp of what they are made of, however small the smoothing is."""
    spread: Any = "others" if others else "all"
    gap, loss = exact(epsilon, count, spread)
    found = analysis.optimal_logit_gap(epsilon, count, spread=spread)
    # The log of a ratio near 1 has the error of the ratio; of "all" the ratio is known less 1.
    scale = max(abs(gap), 1 if others else 0)
    assert found == gap or abs(found - float(gap)) <= 8 * 2.0**-52 * scale
    found = analysis.minimum_loss(epsilon, count, spread=spread)
    assert abs(found - float(loss)) <= 16 * 2.0**-52 * loss


def test_arrays(backend: Variant) -> None:
    """An array of any shape gives an array of its library; the ends are infinities and zeros."""
    for dtype in backend.dtypes[-1:]:
        e = backend.asarray([[0.0, 0.125], [0.5, 1.0]], dtype)
        for spread in ("all", "others"):
            want = [exact(value, 5, spread) for value in (0.0, 0.125, 0.5, 1.0)]
            gap = analysis.optimal_logit_gap(e, 5, spread=spread)
            assert_follows(gap, e)
            assert_close(gap, np.array([[float(g) for g, _ in want]]).reshape(2, 2), ulps=4)
            loss = analysis.minimum_loss(e, 5, spread=spread)
            assert_follows(loss, e)
            # The log1p of XLA is off by a dozen ulp in float64.
            assert_close(loss, np.array([float(m) for _, m in want]).reshape(2, 2), ulps=16)


def test_prior(backend: Variant) -> None:
    """With a prior there is a gap for each label and other class, and a minimum for each label."""
    skip_what_is_single(backend)
    for values in (PRIOR, ROWS):
        prior = backend.asarray(values, "float32")
        u = np.broadcast_to(values, (4, 4))
        for spread in ("all", "others"):
            if spread == "all":
                q = 0.75 * np.eye(4) + 0.25 * u
            else:
                off = u * (1 - np.eye(4))
                q = 0.75 * np.eye(4) + 0.25 * off / off.sum(axis=1, keepdims=True)
            gaps = analysis.optimal_logit_gap(0.25, 4, prior=prior, spread=spread)
            assert_follows(gaps, prior)
            assert_close(gaps, np.log(np.diag(q)[:, None] / q), ulps=8, scale=2.0)
            losses = analysis.minimum_loss(0.25, 4, prior=prior, spread=spread)
            assert_follows(losses, prior)
            assert_close(losses, -np.sum(q * np.log(q), axis=1), ulps=8, scale=1.0)


def test_prior_without_mass() -> None:
    """A class that the prior leaves out is infinitely far away, which is worth a warning."""
    prior = np.array([0.5, 0.5, 0.0])
    with pytest.warns(UserWarning, match="^prior leaves classes without mass: the optimal logit"):
        gaps = analysis.optimal_logit_gap(0.5, 3, prior=prior)
    np.testing.assert_allclose(gaps[:2, :2], [[0, np.log(3)], [np.log(3), 0]])
    np.testing.assert_allclose(gaps[2, :2], np.log(2))
    assert np.all(np.isposinf(gaps[:2, 2]))
    # Labels that were moved to the prior altogether: no mass against no mass is undetermined.
    with pytest.warns(UserWarning, match="^prior leaves classes"):
        gaps = analysis.optimal_logit_gap(1.0, 3, prior=np.array([1.0, 0.0, 0.0]))
    assert np.isnan(gaps[1, 2])
    assert np.isneginf(gaps[1, 0])


def test_optimal_logits(backend: Variant) -> None:
    """At the optimal logits the gradient is 0 and the loss is the entropy of the target."""
    skip_what_is_single(backend)
    labels = backend.asarray([0, 2, 1])
    weight = backend.asarray([1.0, 0.5, 2.0], "float32")
    x = analysis.optimal_logits(labels, 0.25, num_classes=3, class_weight=weight, axis=0)
    wanted = "float64" if dtype_name(st.one_hot(labels, 3)) == "float64" else "float32"
    assert dtype_name(x) == wanted
    q = (0.75 * np.eye(3) + 0.25 / 3)[[0, 2, 1]] * [1.0, 0.5, 2.0]
    q = q / q.sum(axis=1, keepdims=True)
    assert_close(x, np.log(q).T, ulps=8, scale=1.0, dtype="float32")
    words: Any = {"label_smoothing": 0.25, "class_weight": weight, "axis": 0}
    x = backend.xp.astype(x, backend.xp.float32)
    _, gradient = st.value_and_grad(st.cross_entropy)(x, labels, **words)
    assert_close(gradient, np.zeros((3, 3)), ulps=8, scale=1.0)
    rows = backend.asarray([[0.0, 0.25, 0.75]], "float32")
    assert_close(
        analysis.optimal_logits(rows), [[-math.inf, math.log(0.25), math.log(0.75)]], ulps=4
    )


@given(
    epsilon=some.floats(0.01, 0.99),
    count=some.integers(2, 30),
    label=some.integers(0, 1),
    others=some.booleans(),
)
def test_no_loss_is_below_the_minimum(epsilon: float, count: int, label: int, others: bool) -> None:
    """The minimum is reached at the optimal logits, whose gap is the optimal one."""
    spread: Any = "others" if others else "all"
    assume(not others or epsilon < (count - 1) / count)
    labels = np.array([label])
    x = analysis.optimal_logits(labels, epsilon, num_classes=count, spread=spread)
    words: Any = {"label_smoothing": epsilon, "spread": spread}
    minimum = analysis.minimum_loss(epsilon, count, spread=spread)
    assert float(st.cross_entropy(x, labels, **words)) == pytest.approx(minimum, rel=1e-13)
    gap = analysis.optimal_logit_gap(epsilon, count, spread=spread)
    assert x[0, label] - x[0, 1 - label] == pytest.approx(gap, abs=1e-12)
    moved = x + np.linspace(-0.5, 0.5, count)
    assert float(st.cross_entropy(moved, labels, **words)) > minimum


def test_an_optimiser_finds_the_gap_of_a_prior() -> None:
    """A minimiser that knows the loss alone ends at these gaps."""
    optimize = pytest.importorskip("scipy.optimize")
    gaps = analysis.optimal_logit_gap(0.25, 4, prior=PRIOR)
    for label in range(4):

        def loss(x: np.ndarray, label: int = label) -> tuple[float, np.ndarray]:
            value, gradient = st.value_and_grad(st.cross_entropy)(
                x[None], np.array([label]), label_smoothing=0.25, prior=PRIOR
            )
            return float(value), gradient[0]

        x = optimize.minimize(loss, np.zeros(4), jac=True, tol=1e-12).x
        np.testing.assert_allclose(x[label] - x, gaps[label], atol=1e-5)


@pytest.mark.parametrize(("epsilon", "published"), [(0.0, 4.7226869981), (0.1, 3.2849866975)])
def test_weight_decay(epsilon: float, published: float) -> None:
    """A layer and free features that are trained to the end under weight decay have this gap."""
    decay = {"examples_per_class": 3, "weight_decay": 0.004, "feature_decay": 0.00625}
    gap = analysis.gap_under_weight_decay(epsilon, 4, **decay)
    assert gap == pytest.approx(published, abs=5e-11)
    optimize = pytest.importorskip("scipy.optimize")
    labels = np.repeat(np.arange(4), 3)

    def loss(both: np.ndarray) -> tuple[float, np.ndarray]:
        weight, features = both[:16].reshape(4, 4), both[16:].reshape(12, 4)
        value, (by_features, by_weight) = st.value_and_grad(st.linear_cross_entropy)(
            features, weight, labels, label_smoothing=epsilon
        )
        value = value + 0.002 * np.sum(weight**2) + 0.003125 * np.sum(features**2)
        by_weight, by_features = by_weight + 0.004 * weight, by_features + 0.00625 * features
        return float(value), np.concatenate([by_weight.reshape(-1), by_features.reshape(-1)])

    start = np.random.default_rng(0).normal(size=64)
    both = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", tol=1e-15).x
    logits = both[16:].reshape(12, 4) @ both[:16].reshape(4, 4).T
    mine = logits[np.arange(12), labels]
    reached = mine - (logits.sum(axis=1) - mine) / 3
    np.testing.assert_allclose(reached, gap, atol=1e-4)


def test_much_weight_decay_leaves_no_gap() -> None:
    """From a strength on everything collapses to 0."""
    decay = {"examples_per_class": 100, "weight_decay": 0.1, "feature_decay": 0.1}
    assert analysis.gap_under_weight_decay(0.0, 4, **decay) == 0.0
    none = {"examples_per_class": 100, "weight_decay": 0.0, "feature_decay": 0.1}
    assert analysis.gap_under_weight_decay(0.0, 4, **none) == math.inf


@given(rate=some.floats(0, 1), count=some.integers(2, 12), resampled=some.booleans())
def test_smoothing_for_noise(rate: float, count: int, resampled: bool) -> None:
    """The mean of the hard targets over the noise is the smoothed target, in both conventions."""
    rate = rate if resampled else rate * (count - 1) / count
    if resampled:
        mean = (1 - rate) * np.eye(count)[0] + rate / count
    else:
        mean = st.noise_transition(count, rate)[0]
    spreads: list[Any] = ["all", "others"]
    for spread in spreads:
        e = analysis.smoothing_for_noise(rate, count, resampled=resampled, spread=spread)
        e = np.asarray(e)  # an inverted smoothing is no mistake here
        q = st.smooth_labels(np.array([0]), e, num_classes=count, spread=spread)[0]
        np.testing.assert_allclose(q, mean, atol=1e-15)


def test_smoothing_for_accuracy() -> None:
    """The target of the label is the accuracy, from chance to certainty."""
    assert analysis.smoothing_for_accuracy(0.97, 10) == pytest.approx(0.1 / 3, rel=1e-13)
    for accuracy in (0.1, 0.5, 0.97, 1.0):
        e = analysis.smoothing_for_accuracy(accuracy, 10)
        assert 1 - e + e / 10 == pytest.approx(accuracy, rel=1e-14)
        other = analysis.smoothing_for_accuracy(accuracy, 10, spread="others")
        assert 1 - other == pytest.approx(accuracy, rel=1e-14)
    assert analysis.smoothing_for_accuracy(1 / 49, 49) == 1.0


@pytest.mark.parametrize(
    ("count", "accuracy", "expected"),
    [(10, 0.97, 0.7951000312), (10, 0.91, 1.0), (100, 0.72, 1.2281623274)],
)
def test_temperature_for_smoothing(count: int, accuracy: float, expected: float) -> None:
    """Divided by it, saturated logits give the label the accuracy as its probability."""
    temperature = analysis.temperature_for_smoothing(0.1, count, accuracy)
    assert temperature == pytest.approx(expected, abs=5e-11)
    x = np.zeros(count)
    x[0] = analysis.optimal_logit_gap(0.1, count) / temperature
    assert np.exp(x[0]) / np.sum(np.exp(x)) == pytest.approx(accuracy, rel=1e-13)
    assert analysis.temperature_for_smoothing(0.0, count, accuracy) == math.inf


@pytest.mark.parametrize(
    ("count", "penalty", "gap"),
    [
        (10, 1.0, 2.1010029973),
        (10, 0.5, 2.9459438377),
        (10, 0.1, 10.0040693999),
        (10, 2.5, 1.3413616905),
        (2, 1.0, 1.2784645428),
        (1000, 0.1, 10.3270332630),
    ],
)
def test_gap_for_confidence_penalty(count: int, penalty: float, gap: float) -> None:
    """The gaps are the published ones, and the penalised loss is smallest there."""
    assert analysis.gap_for_confidence_penalty(penalty, count) == pytest.approx(gap, abs=5e-11)
    near = gap + np.linspace(-0.5, 0.5, 101)
    x = np.zeros((101, count))
    x[:, 0] = near
    losses = st.cross_entropy(
        x, np.zeros(101, dtype=int), confidence_penalty=penalty, reduction="none"
    )
    assert np.argmin(losses) == 50


@given(gap=some.floats(1e-8, 500), count=some.integers(2, 10**6))
def test_penalty_and_gap_are_inverse(gap: float, count: int) -> None:
    """The penalty for a gap leads to that gap."""
    penalty = analysis.confidence_penalty_for_gap(gap, count)
    assert analysis.gap_for_confidence_penalty(penalty, count) == pytest.approx(gap, rel=1e-12)


def test_penalty_like_smoothing() -> None:
    """The penalty that leads as far as a smoothing of 0.1 is known; without one there is no end."""
    gap = analysis.optimal_logit_gap(0.1, 10)
    assert analysis.confidence_penalty_for_gap(gap, 10) == pytest.approx(0.2436123531, abs=5e-11)
    assert analysis.gap_for_confidence_penalty(0.0, 10) == math.inf
    assert analysis.gap_for_confidence_penalty(1e-320, 10) == math.inf
