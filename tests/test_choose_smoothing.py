"""The choice of a smoothing: the fit to held-out logits, and cross-validation of candidates."""

import math
from typing import Any

import mpmath
import numpy as np
import pytest

import softtargets as st
from softtargets import analysis
from tests.backends import Variant

choose = analysis.choose_label_smoothing
FIELDS = ("label_smoothing", "low", "high", "loss", "gain", "gain_error")


def model(rng: np.random.Generator, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that are too sure of themselves, and labels."""
    truth = rng.integers(0, 4, rows)
    labels = np.where(rng.uniform(size=rows) < 0.2, rng.integers(0, 4, rows), truth)
    return 5.0 * np.eye(4)[truth] + rng.normal(size=(rows, 4)), labels


def root(function: Any, low: float, high: float) -> float:
    """Return where a function that falls from ``low`` to ``high`` is 0."""
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return low


def by_hand(p: np.ndarray, u: np.ndarray) -> dict[str, float]:
    """Return the fit by bisection, from the probabilities p and u of each label."""

    def loss(e: float) -> float:
        return float(-np.mean(np.log((1 - e) * p + e * u)))

    best = root(lambda e: np.mean((u - p) / ((1 - e) * p + e * u)), 0.0, 1.0)
    quantile = 2 * float(mpmath.erfinv(0.95)) ** 2  # of a squared standard normal variable
    allowed = loss(best) + quantile / (2 * len(p))
    gains = np.log((1 - best) * p + best * u) - np.log(p)
    return {
        "label_smoothing": best,
        "low": root(lambda e: loss(e) - allowed, 0.0, best),
        "high": root(lambda e: allowed - loss(e), best, 1.0),
        "loss": loss(best),
        "gain": np.mean(gains),
        "gain_error": np.std(gains, ddof=1) / np.sqrt(len(p)),
    }


def probabilities(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the softmax at the labels."""
    e = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return (e / np.sum(e, axis=1, keepdims=True))[np.arange(len(labels)), labels]


def test_fit(backend: Variant) -> None:
    """Optimum, interval and gain are those of a bisection; ignored rows change nothing."""
    logits, labels = model(np.random.default_rng(1))
    found = choose(
        backend.asarray(np.concatenate([logits, np.full((1, 4), np.nan)]).T),
        backend.asarray(np.concatenate([labels, [-100]])),
        axis=0,
    )
    want = by_hand(probabilities(logits, labels), np.full(300, 0.25))
    wide = "float64" in backend.dtypes
    for name in FIELDS:
        value = getattr(found, name)
        assert isinstance(value, float)
        # A flat optimum is found to the root of the precision of its loss.
        assert value == pytest.approx(want[name], rel=1e-5 if wide else 1e-3), name
    assert 0 < found.low < found.label_smoothing < found.high < 1
    assert (found.rows, found.bounded, found.candidates) == (300, False, ())
    assert found.is_clear


def test_another_optimiser() -> None:
    """A general minimiser and the quantile of a table end in the same interval."""
    optimize, stats = pytest.importorskip("scipy.optimize"), pytest.importorskip("scipy.stats")
    logits, labels = model(np.random.default_rng(7))
    p = probabilities(logits, labels)
    found = choose(logits, labels)

    def loss(e: float) -> float:
        return float(-np.sum(np.log((1 - e) * p + e / 4)))

    best = optimize.minimize_scalar(loss, bounds=(0, 1), options={"xatol": 1e-12}).x
    assert found.label_smoothing == pytest.approx(best, abs=1e-7)
    for end in (found.low, found.high):
        assert 2 * (loss(end) - loss(best)) == pytest.approx(stats.chi2.ppf(0.95, 1), rel=1e-5)


def test_fit_of_a_prior() -> None:
    """With a prior the mass goes there."""
    logits, labels = model(np.random.default_rng(2))
    prior = np.array([0.7, 0.1, 0.1, 0.1])
    found = choose(logits, labels, prior=prior)
    want = by_hand(probabilities(logits, labels), prior[labels])
    for name in FIELDS:
        assert getattr(found, name) == pytest.approx(want[name], rel=1e-5), name


def test_saturated_predictions() -> None:
    """Of predictions that are all certain, the fit is the closed form for their accuracy."""
    labels = np.zeros(200, dtype=int)
    logits = np.zeros((200, 10))
    logits[:, 0] = 60.0
    logits[:14] = logits[:14, ::-1]
    found = choose(logits, labels)
    assert found.label_smoothing == pytest.approx(
        analysis.smoothing_for_accuracy(1 - 14 / 200, 10), rel=1e-6
    )


def test_ends() -> None:
    """Predictions that are not sure enough ask for 0, and those that say nothing for 1."""
    logits, _ = model(np.random.default_rng(3))
    right = np.argmax(logits, axis=1)
    found = choose(logits, right)
    assert (found.label_smoothing, found.low, found.gain, found.bounded) == (0.0, 0.0, 0.0, True)
    assert 0 < found.high < 0.1
    assert not found.is_clear
    wrong = choose(-logits, right)
    assert (wrong.label_smoothing, wrong.high, wrong.bounded) == (1.0, 1.0, True)
    assert wrong.loss == pytest.approx(math.log(4))
    # One row says next to nothing: the interval is all there is.
    one = choose(np.array([[1.0, 0.0]]), np.array([0]))
    assert (one.low, one.high, one.gain_error) == (0.0, 1.0, 0.0)


def test_impossible_labels() -> None:
    """A label that was held for impossible makes the gain infinite, and no smoothing 0."""
    logits, labels = model(np.random.default_rng(4))
    logits[0, labels[0]] = -math.inf
    found = choose(logits, labels)
    assert found.gain == math.inf
    assert found.low > 0
    logits[0] = math.nan
    assert math.isnan(choose(logits, labels).label_smoothing)


def test_interval_covers() -> None:
    """In repeated samples the interval holds the truth about as often as it says."""
    rng = np.random.default_rng(5)
    p = np.array([0.05, 0.15, 0.8])
    truth, covered = (1 - 0.3) * p + 0.3 / 3, 0
    for _ in range(200):
        labels = rng.choice(3, size=400, p=truth)
        found = choose(np.broadcast_to(np.log(p), (400, 3)).copy(), labels)
        covered += found.low <= 0.3 <= found.high
    # 190 are expected; three standard deviations are 9.2.
    assert 180 <= covered <= 200


def candidates(backend: Variant | None = None) -> tuple[dict[float, list[Any]], list[Any]]:
    """Return held-out logits of three folds and three candidates, not in order, and labels."""
    rng = np.random.default_rng(6)
    place = (lambda a: a) if backend is None else backend.asarray
    folds = [model(rng, rows) for rows in (40, 60, 60)]
    noise = {e: [rng.normal(size=x.shape) for x, _ in folds] for e in (0.3, 0.0, 0.1)}
    logits = {
        e: [place((1 - e) * x + 0.1 * n) for (x, _), n in zip(folds, some, strict=True)]
        for e, some in noise.items()
    }
    return logits, [place(labels) for _, labels in folds]


def compared(logits: dict[float, list[Any]], labels: list[Any]) -> tuple[Any, Any, Any]:
    """Return mean losses, excesses and errors by plain formulas."""
    losses = [
        [-np.log(probabilities(x, y)) for x, y in zip(logits[e], labels, strict=True)]
        for e in sorted(logits)
    ]
    means = np.array([np.mean(np.concatenate(some)) for some in losses])
    best = int(np.argmin(means))
    by_fold = np.array([[np.mean(a) for a in some] for some in losses])
    differences = by_fold - by_fold[best]
    if len(labels) == 1:
        differences = np.array([some[0] - losses[best][0] for some in losses])
    errors = np.std(differences, axis=1, ddof=1) / np.sqrt(differences.shape[1])
    return means, means - means[best], errors


def test_cross_validation(backend: Variant) -> None:
    """Candidates are compared fold by fold; the table is in the order of their smoothing."""
    logits, labels = candidates(backend)
    found = choose(logits, tuple(labels))
    means, excesses, errors = compared(*candidates())
    rel = 1e-12 if "float64" in backend.dtypes else 1e-4
    assert [c.label_smoothing for c in found.candidates] == [0.0, 0.1, 0.3]
    np.testing.assert_allclose([c.loss for c in found.candidates], means, rtol=rel)
    np.testing.assert_allclose([c.excess for c in found.candidates], excesses, rtol=rel)
    np.testing.assert_allclose([c.error for c in found.candidates], errors, rtol=rel)
    assert found.label_smoothing == 0.3
    assert (found.rows, found.bounded) == (160, True)
    assert found.gain == pytest.approx(excesses[0], rel=rel)
    assert found.gain_error == pytest.approx(errors[0], rel=rel)
    assert (found.low, found.high) == (0.3, 0.3)


def test_one_fold() -> None:
    """With one model for each candidate the errors are those between rows."""
    logits, labels = candidates()
    few = {e: some[0] for e, some in logits.items()}
    found = choose(few, labels[0])
    want = compared({e: [x] for e, x in few.items()}, labels[:1])
    table = np.array([c[1:] for c in found.candidates]).T
    np.testing.assert_allclose(table, want, rtol=1e-12)
    # The interval is that of the candidates within two standard errors.
    near = [c.label_smoothing for c in found.candidates if c.excess <= 2 * c.error]
    assert (found.low, found.high) == (min(near), max(near))


def test_score() -> None:
    """What is small may be said by the caller: here the errors, with the first row left out."""
    logits, labels = candidates()
    answers = [np.concatenate([[-1], y[1:]]) for y in labels]

    def wrong(x: Any, y: Any) -> Any:
        return np.where(y == -1, np.nan, np.argmax(x, axis=1) != y)

    found = choose(logits, answers, score=wrong, ignore_index=-1)
    rates = [
        np.concatenate(
            [np.argmax(x, 1)[1:] != y[1:] for x, y in zip(logits[e], labels, strict=True)]
        ).mean()
        for e in (0.0, 0.1, 0.3)
    ]
    np.testing.assert_allclose([c.loss for c in found.candidates], rates, rtol=1e-12)
    assert found.rows == 157


def test_printed() -> None:
    """A choice prints as a line that says what it is compared with."""
    logits, labels = candidates()
    line = str(choose(logits, labels))
    assert line.startswith("label smoothing 0.3 (0.3 to 0.3), held-out loss ")
    assert line.endswith(" less than without, 160 rows")
    del logits[0.0]
    assert " less than with 0.1, " in str(choose(logits, labels))


def test_recorded_tensors() -> None:
    """Logits that require a gradient may be handed in, and nothing is recorded."""
    torch = pytest.importorskip("torch")
    logits, labels = model(np.random.default_rng(1), 50)
    x, y = torch.tensor(logits, requires_grad=True), torch.tensor(labels)
    want = choose(logits, labels)
    assert choose(x, y).label_smoothing == pytest.approx(want.label_smoothing, rel=1e-6)

    def half(x: Any, y: Any) -> Any:
        return 0.5 * st.cross_entropy(x, y, reduction="none")

    found = choose({0.0: x}, y, score=half)
    assert found.loss == pytest.approx(0.5 * (want.loss + want.gain), rel=1e-12)
