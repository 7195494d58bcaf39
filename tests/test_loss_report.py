"""The report of a loss: its minimum, what is left, accuracy and gaps, beside plain formulas."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import softtargets as st
from softtargets import analysis
from softtargets.targets import measures
from tests.backends import Variant, assert_close, assert_follows, to_numpy
from tests.use_of_analysis import skip_what_is_single

X = np.array([[2.0, 0.5, -1.0, 0.25], [0.5, 3.0, 1.5, -2.5], [0.125, 0.25, -0.375, 1.0],
              [1.0, 0.0, -1.0, 2.0], [-2.0, 1.0, 0.5, 0.0]])  # fmt: skip
Y = np.array([0, 1, 3, 2, -100])
W, V = np.array([1.0, 2.0, 0.5, 4.0]), np.array([1.0, 0.5, 2.0, 3.0, 1.0])


def expected(
    x: Any, q0: Any, q: Any, w: Any = 1.0, v: Any = 1.0, allowed: Any = None
) -> list[float]:
    """Return the fields of a report from dense targets without and with smoothing, in float64.

    Masked classes are cut out; rows of zeros take no part.
    """
    classes = np.arange(x.shape[1]) if allowed is None else np.nonzero(allowed)[0]
    take = np.sum(q0, axis=1) > 0
    w = np.broadcast_to(w, x.shape[1])[classes]
    v = np.broadcast_to(v, len(x))[take]
    x, q0, q = (np.asarray(a, dtype=np.float64)[take][:, classes] for a in (x, q0, q))
    log_p = x - np.log(np.sum(np.exp(x), axis=1, keepdims=True))
    a = q * w
    share = a / np.sum(a, axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        best = np.log(share)
        least = np.where(a > 0, -a * best, 0.0)
        known = np.where(q0 > 0, q0 * best, 0.0)
    others = len(classes) - 1
    # For a label: its logit less the mean of the others.
    gap = np.sum(q0 * (x * (others + 1) - np.sum(x, axis=1, keepdims=True)), axis=1) / others
    ideal = (np.sum(known, axis=1) * (others + 1) - np.sum(best, axis=1)) / others
    loss, minimum = (np.sum(v * np.sum(-a * log_p, axis=1)), np.sum(v * np.sum(least, axis=1)))
    below = np.sum(v * np.sum(q0 * w, axis=1))
    rows = np.sum(v)

    def mean(values: Any) -> float:
        return float(np.sum(v * values) / rows)

    accuracy = mean(q0[np.arange(len(x)), np.argmax(x, axis=1)])
    deviation = math.sqrt(mean((gap - mean(gap)) ** 2))
    return [
        loss / below,
        minimum / below,
        (loss - minimum) / below,
        mean(np.sum(-q0 * log_p, axis=1)),
        accuracy,
        mean(gap),
        deviation,
        mean(ideal),
        rows,
    ]


def check(report: analysis.LossReport, want: list[float], like: Any, ulps: float = 32) -> None:
    """Compare all fields; the losses are differences of numbers as large as the logits."""
    for name, value, right in zip(report._fields, report, want, strict=True):
        assert value.shape == (), name
        assert_follows(value, like)
        assert_close(value, float(right), ulps=ulps, scale=4.0)


def one_hot(labels: Any) -> Any:
    return np.where(labels[:, None] == np.arange(4), 1.0, 0.0)


def test_labels(backend: Variant) -> None:
    """Smoothed labels with weights, an ignored row of nan, and the classes on the first axis."""
    skip_what_is_single(backend)
    x = X.copy()
    x[4] = np.nan
    logits = backend.asarray(x.T, "float32")
    report = analysis.loss_report(
        logits,
        backend.asarray(Y),
        label_smoothing=0.25,
        sample_weight=backend.asarray(V, "float32"),
        axis=0,
    )
    q0 = one_hot(Y)
    check(report, expected(X, q0, 0.75 * q0 + 0.0625, v=V), logits)


def test_everything_else(backend: Variant) -> None:
    """Mixed targets with a prior for each label, class weights, masked classes and rows."""
    skip_what_is_single(backend)
    labels, other = backend.asarray(Y[:4]), backend.asarray(Y[[1, 0, 2, 1]])
    prior = np.array([[0.5, 0.25, 0.0, 0.25]] * 3 + [[0.25, 0.25, 0.0, 0.5]])
    hard = st.mix(st.Targets.from_labels(labels, 4), st.Targets.from_labels(other, 4), 0.75)
    where = backend.asarray([True, True, True, False])
    allowed = (True, True, False, True)
    x = X[:4].copy()
    x[:, 2], x[3] = np.inf, np.nan
    logits = backend.asarray(x, "float32")
    report = analysis.loss_report(
        logits,
        hard.smooth(0.5, prior=backend.asarray(prior, "float32")),
        class_weight=backend.asarray(W, "float32"),
        class_mask=backend.asarray(allowed),
        where=where,
    )
    q0 = 0.75 * one_hot(Y[:4]) + 0.25 * one_hot(Y[[1, 0, 2, 1]])
    q = 0.5 * q0 + 0.5 * q0 @ prior
    q0[3] = 0
    check(report, expected(X[:4], q0, q, w=W, allowed=allowed), logits)


@pytest.mark.parametrize("spread", ["all", "others"])
def test_distributions(spread: Any) -> None:
    """Dense targets, smoothed or not; a class without mass is infinitely far away."""
    q0 = np.array([[0.5, 0.25, 0.25, 0.0], [0.0, 1.0, 0.0, 0.0], [0.125, 0.125, 0.5, 0.25]])
    q = 0.75 * q0 + (0.0625 if spread == "all" else 0.25 * (1 - q0) / 3)
    report = analysis.loss_report(X[:3], q0, label_smoothing=0.25, spread=spread)
    check(report, expected(X[:3], q0, q), X, ulps=16)
    bare = analysis.loss_report(X[:3], q0)
    assert float(bare.optimal_gap) == math.inf
    assert float(bare.nll) == float(bare.loss)
    check(bare, expected(X[:3], q0, q0), X, ulps=16)


@given(
    seed=some.integers(0, 2**32 - 1),
    classes=some.integers(2, 9),
    smoothing=some.floats(0.01, 0.99),
    others=some.booleans(),
)
def test_at_the_optimum(seed: int, classes: int, smoothing: float, others: bool) -> None:
    """At the optimal logits nothing is in excess, and the gap is the optimal one in every row."""
    rng = np.random.default_rng(seed)
    spread: Any = "others" if others and smoothing < (classes - 1) / classes else "all"
    labels = rng.integers(0, classes, 6)
    words: Any = {"label_smoothing": smoothing, "spread": spread}
    x = analysis.optimal_logits(labels, smoothing, num_classes=classes, spread=spread)
    best = analysis.loss_report(x + rng.normal(size=(6, 1)), labels, **words)
    gap = analysis.optimal_logit_gap(smoothing, classes, spread=spread)
    assert float(best.excess) == pytest.approx(0, abs=1e-14)
    assert float(best.gap) == pytest.approx(gap, abs=1e-13)
    assert float(best.optimal_gap) == pytest.approx(gap, abs=1e-13)
    assert float(best.gap_std) == pytest.approx(0, abs=1e-13)
    assert float(best.minimum) == pytest.approx(
        analysis.minimum_loss(smoothing, classes, spread=spread), rel=1e-12
    )
    logits = x + rng.normal(size=x.shape)
    report = analysis.loss_report(logits, labels, **words)
    assert float(report.excess) > 0
    assert float(report.loss) == pytest.approx(float(st.cross_entropy(logits, labels, **words)))


def test_blocks(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit a block is added up over several."""
    x, labels = rng.normal(size=(3000, 200)), rng.integers(0, 200, 3000)
    report = analysis.loss_report(x, labels, label_smoothing=0.1)
    q0 = np.eye(200)[labels]
    check(report, expected(x, q0, 0.9 * q0 + 0.0005), x, ulps=64)
    monkeypatch.setattr(measures, "BLOCK_ENTRIES", 2**17)
    dense = analysis.loss_report(x, q0, label_smoothing=0.1)
    check(dense, expected(x, q0, 0.9 * q0 + 0.0005), x, ulps=64)


def test_top_k() -> None:
    """Of a list of classes the mass that is there counts; renormalised, its classes alone."""
    classes, shares = np.array([[2, 1], [3, 0]]), np.array([[0.5, 0.25], [0.5, 0.25]])
    listed = st.Targets.from_top_k(classes, shares, 4, tail="drop")
    with np.errstate(divide="ignore"):
        best = np.log([[0, 0.25, 0.5, 0], [0.25, 0, 0, 0.5]])
    report = analysis.loss_report(best, listed)
    minimum = math.log(0.75) - (0.25 * math.log(0.25) + 0.5 * math.log(0.5)) / 0.75
    assert float(report.minimum) == pytest.approx(minimum, rel=1e-14)
    assert float(report.excess) == pytest.approx(0, abs=1e-15)
    assert float(report.accuracy) == pytest.approx(2 / 3, rel=1e-14)
    assert float(report.rows) == 1.5
    alone = st.Targets.from_top_k(classes, shares, 4, tail="renormalize")
    report = analysis.loss_report(np.where(np.isinf(best), 9.0, best), alone)
    assert float(report.excess) == pytest.approx(0, abs=1e-15)
    assert float(report.accuracy) == pytest.approx(2 / 3, rel=1e-14)
    # Two classes: each logit less the other, weighted with 2/3 and 1/3.
    assert float(report.gap) == pytest.approx(math.log(2) / 3, rel=1e-14)
    assert float(report.optimal_gap) == pytest.approx(math.log(2) / 3, rel=1e-14)


def test_half_precision() -> None:
    """Half precision is reported in float32."""
    x = X.astype(np.float16)
    report = analysis.loss_report(x, Y, label_smoothing=0.25)
    q0 = one_hot(Y)
    check(report, expected(x, q0, 0.75 * q0 + 0.0625), np.float32(0))


def test_one_class_and_no_rows() -> None:
    """One class has no gap; nothing has no means."""
    report = analysis.loss_report(X[:, :1], np.zeros(5, dtype=int), label_smoothing=0.1)
    assert (float(report.loss), float(report.accuracy)) == (0.0, 1.0)
    assert math.isnan(float(report.gap))
    assert math.isnan(float(report.optimal_gap))
    masked = analysis.loss_report(
        X[:2], np.array([1, 1]), class_mask=np.array([False, True, False, False])
    )
    assert math.isnan(float(masked.gap))
    nothing = analysis.loss_report(X[:0], Y[:0])
    assert math.isnan(float(nothing.loss))
    assert float(nothing.rows) == 0


def test_printed() -> None:
    """The report prints as one line."""
    line = str(analysis.loss_report(X, Y, label_smoothing=0.25))
    assert line.startswith("loss 1.4094 = minimum 0.6886 + excess 0.7208, nll 1.2102, ")
    assert line.endswith("(optimal 2.5649), rows 4")


def test_logit_gap(backend: Variant) -> None:
    """The gap of a row is the label's logit less the mean of the others."""
    x = X + 1e4  # what all logits of a row have in common does not matter
    logits = backend.asarray(x.T, "float32")
    gap = analysis.logit_gap(logits, backend.asarray(Y), axis=0)
    assert_follows(gap, logits)
    x = to_numpy(logits).T.astype(np.float64)
    want = [x[i, y] - np.mean(np.delete(x[i], y)) for i, y in enumerate(Y[:4])]
    assert_close(gap, np.array([*want, 0.0]), ulps=8, scale=4.0)


def test_logit_gap_of_some_classes() -> None:
    """Masked classes are no others, whatever they hold; nor do ignored rows matter."""
    x = X.copy()
    x[:, 2], x[4] = np.inf, np.nan
    gap = analysis.logit_gap(
        x, np.where(Y == 2, 3, Y), class_mask=np.array([True, True, False, True])
    )
    kept = X[:4, [0, 1, 3]]
    want = [1.5 * (kept[i, c] - np.mean(kept[i])) for i, c in enumerate((0, 1, 2, 2))]
    np.testing.assert_allclose(gap, [*want, 0.0], rtol=1e-14)
    soft = st.Targets.from_distributions(np.array([[0.5, 0.5, 0.0, 0.0]])).smooth(0.5)
    np.testing.assert_allclose(
        analysis.logit_gap(X[:1], soft), 4 / 3 * (1.25 - np.mean(X[0])), rtol=1e-14
    )


def test_tensors_are_not_recorded() -> None:
    """A report of logits that are trained takes no part in their gradient."""
    torch = pytest.importorskip("torch")
    logits = torch.tensor(X, requires_grad=True)
    for dtype in (torch.float64, torch.bfloat16):
        report = analysis.loss_report(logits.to(dtype), torch.tensor(Y), label_smoothing=0.25)
        assert not any(value.requires_grad for value in report)
        assert float(report.rows) == 4
    assert float(report.loss) == pytest.approx(1.4094, abs=0.002)


def test_compiled() -> None:
    """In compiled code the report is a tuple of traced numbers."""
    jax = pytest.importorskip("jax")
    report = jax.jit(lambda x, y: analysis.loss_report(x, y, label_smoothing=0.25))(
        jax.numpy.asarray(X, dtype="float32"), jax.numpy.asarray(Y)
    )
    q0 = one_hot(Y)
    check(report, expected(X, q0, 0.75 * q0 + 0.0625), jax.numpy.zeros(1, dtype="float32"))
