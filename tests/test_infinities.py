"""Infinite, missing and far apart logits (traps T10 to T17)."""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits

BOTH = st.value_and_grad(st.cross_entropy)
INF = math.inf
#: log(1 + e), the logsumexp of [0, 1].
LSE = 1.3132616875182228
#: softmax([0, 1]).
P0, P1 = 0.2689414213699951, 0.7310585786300049


@pytest.fixture(autouse=True)
def _quiet_dask(backend: Variant) -> Iterator[None]:
    """Dask computes when it is asked to, and NumPy then warns of infinities."""
    with warnings.catch_warnings():
        if backend.row == "dask":
            warnings.simplefilter("ignore", RuntimeWarning)
        yield


def check(
    backend: Variant, x: list[float], targets: Any, loss: float, gradient: list[float], **words: Any
) -> None:
    """Compare loss and gradient of one row for all dtypes: of labels, and of what else is given."""
    for dtype in backend.dtypes:
        wide = "float64" if dtype == "float64" else "float32"
        array = {
            name: backend.asarray(value, wide if np.asarray(value).dtype == float else None)
            for name, value in words.items()
            if isinstance(value, list)
        }
        kind = wide if np.asarray(targets).dtype == float else None
        got = BOTH(
            backend.asarray([x], dtype), backend.asarray([targets], kind), **{**words, **array}
        )
        assert_close(got[0], loss, ulps=4, scale=1.0)
        assert_close(got[1], [gradient], ulps=4, scale=1.0)


@pytest.mark.parametrize("targets", [0, [1.0, 0.0, 0.0]], ids=["label", "one-hot"])
def test_switched_off_class(backend: Variant, targets: Any) -> None:
    """A logit of -inf where there is no target mass counts as 0, for every kind of target (T10)."""
    check(backend, [0.0, 1.0, -INF], targets, LSE, [P0 - 1, P1, 0.0])


@pytest.mark.parametrize("targets", [0, [1.0, 0.0, 0.0]], ids=["label", "one-hot"])
def test_smoothing_over_a_switched_off_class(backend: Variant, targets: Any) -> None:
    """Target mass on a logit of -inf makes the loss +inf and the gradient A p - a (T11)."""
    check(
        backend,
        [0.0, 1.0, -INF],
        targets,
        INF,
        [P0 - 0.8, P1 - 0.1, -0.1],
        label_smoothing=0.3,
    )


@pytest.mark.parametrize("content", [-INF, INF, math.nan, 5.0])
@pytest.mark.parametrize("spread", ["all", "others"])
def test_class_mask_instead(backend: Variant, content: float, spread: str) -> None:
    """A masked class leaves softmax, prior and K, whatever its logit is (T11)."""
    off = 0.05 if spread == "all" else 0.1
    check(
        backend,
        [0.0, 1.0, content],
        0,
        LSE - off,
        [P0 - 1 + off, P1 - off, 0.0],
        label_smoothing=0.1,
        spread=spread,
        class_mask=[True, True, False],
    )


def test_no_class_weight_at_minus_infinity(backend: Variant) -> None:
    """A class weight of 0 switches a logit of -inf off, smoothing or not (T12)."""
    # a = [0.8, 0.1, 0], A = 0.9
    check(
        backend,
        [0.0, 1.0, -INF],
        0,
        0.9 * LSE - 0.1,
        [0.9 * P0 - 0.8, 0.9 * P1 - 0.1, 0.0],
        label_smoothing=0.3,
        class_weight=[1.0, 1.0, 0.0],
    )


def test_prior_without_mass_at_minus_infinity(backend: Variant) -> None:
    """A prior that gives nothing to a class at -inf leaves the loss finite (T12)."""
    check(
        backend,
        [0.0, 1.0, -INF],
        0,
        LSE - 0.15,
        [P0 - 0.85, P1 - 0.15, 0.0],
        label_smoothing=0.3,
        prior=[0.5, 0.5, 0.0],
    )


def test_all_minus_infinity(backend: Variant) -> None:
    """A row without any finite logit is nan, and its neighbours are not (T12)."""
    x = [[0.0, 1.0, -INF], [-INF, -INF, -INF]]
    for dtype in backend.dtypes:
        loss, gradient = BOTH(backend.asarray(x, dtype), backend.asarray([0, 1]), reduction="none")
        assert_close(loss, [LSE, math.nan], ulps=4)
        assert_close(gradient, [[P0 - 1, P1, 0.0], [math.nan] * 3], ulps=4, scale=1.0)


def test_plus_infinity(backend: Variant) -> None:
    """At +inf the probability is 1: the loss is 0 with all mass there, and +inf otherwise (T12)."""
    check(backend, [0.0, INF, -INF], 1, 0.0, [0.0, 0.0, 0.0])
    check(backend, [0.0, INF, 2.0], 0, INF, [-1.0, 1.0, 0.0])
    check(backend, [0.0, INF, 2.0], 1, INF, [-0.1, 0.2, -0.1], label_smoothing=0.3)
    check(backend, [0.0, INF, 2.0], [0.0, 1.0, 0.0], 0.0, [0.0, 0.0, 0.0])
    weight = [0.0, 2.0, 0.0]
    check(backend, [0.0, INF, 2.0], 1, 0.0, [0.0] * 3, label_smoothing=0.3, class_weight=weight)


def test_nan(backend: Variant) -> None:
    """A logit of nan makes its row nan and no other."""
    x = [[0.0, math.nan, 0.0], [0.0, 0.0, 0.0]]
    for dtype in backend.dtypes:
        loss, gradient = BOTH(backend.asarray(x, dtype), backend.asarray([0, 1]), reduction="none")
        assert_close(loss, [math.nan, math.log(3)], ulps=4)
        assert_close(gradient, [[math.nan] * 3, [1 / 3, -2 / 3, 1 / 3]], ulps=4)


def test_penalties_at_minus_infinity(backend: Variant) -> None:
    """A class at -inf has probability 0 and takes no part in entropy and gradient."""
    # p = [1/2, 1/2, 0], logsumexp = entropy = log 2
    log2 = math.log(2)
    check(backend, [0.0, 0.0, -INF], 0, 0.5 * log2, [-0.5, 0.5, 0.0], confidence_penalty=0.5)
    check(
        backend,
        [0.0, 0.0, -INF],
        0,
        log2 + 0.5 * log2**2,
        [-0.5 + 0.5 * log2, 0.5 + 0.5 * log2, 0.0],
        z_loss=0.5,
    )


def test_one_finite_logit_among_many(backend: Variant) -> None:
    """A row of 100,000 classes at -inf but one has the logsumexp of that one (T13)."""
    x = np.full((1, 100_000), -INF)
    x[0, 50_000] = 10.0
    labels = backend.asarray([50_000])
    state = st.SoftmaxState.of(backend.asarray(x, "float32"), labels)
    assert_close(state.logsumexp(), [10.0], ulps=0)
    assert_close(state.loss(), 0.0, ulps=0)


@pytest.mark.parametrize("with_prior", [False, True])
def test_large_offset(backend: Variant, rng: np.random.Generator, with_prior: bool) -> None:
    """Smoothing over 128,000 classes at an offset of 1e4 loses nothing to it (T14)."""
    x = (rng.normal(size=(1, 128_000)) + 1e4).astype(np.float32)
    words = {"label_smoothing": 0.1}
    prior = np.full(128_000, 1 / 128_000, np.float32)
    if with_prior:
        prior = np.linspace(0.5, 1.5, 128_000).astype(np.float32) / np.float32(128_000)
        words["prior"] = backend.asarray(prior)
    z = x[0].astype(np.float64) - np.float64(x.max())
    log_sum = np.log(np.sum(np.exp(z)))
    q = 0.1 * prior.astype(np.float64)
    q[77] += 0.9
    loss, gradient = BOTH(backend.asarray(x), backend.asarray([77]), **words)
    assert_close(loss, float(np.sum(q) * log_sum - np.sum(q * z)), ulps=3)
    assert_close(gradient, [np.exp(z - log_sum) - q], ulps=16, scale=1e-5)


def test_offset_without_rounding(backend: Variant) -> None:
    """An offset that rounds nothing changes no bit of loss and gradient."""
    x = np.array([[0.5, -1.25, 2.0], [3.0, 0.0, -0.75]])
    for dtype in ("float32", *backend.dtypes[-1:]):
        results = [
            BOTH(
                backend.asarray(x + offset, dtype),
                backend.asarray([2, 1]),
                label_smoothing=0.1,
                confidence_penalty=0.1,
            )
            for offset in (0.0, 8192.0, -4096.0)
        ]
        for loss, gradient in results[1:]:
            assert_same_bits(loss, results[0][0])
            assert_same_bits(gradient, results[0][1])


def test_far_classes(backend: Variant) -> None:
    """The logarithm of a probability that underflows is exact (T15)."""
    for dtype in backend.dtypes:
        x = backend.asarray([[0.0, -200.0, -200.0, -200.0]], dtype)
        assert_close(st.cross_entropy(x, backend.asarray([0]), label_smoothing=0.1), 15.0, ulps=1)
        assert_close(st.cross_entropy(x, backend.asarray([3])), 200.0, ulps=0)


def test_huge_logits(backend: Variant) -> None:
    """Differences as large as the dtype allows give a large loss, not an infinite one."""
    x = backend.asarray([[1e38, -1e38], [-1e38, 1e38]], "float32")
    loss, gradient = BOTH(x, backend.asarray([0, 0]), reduction="none")
    assert_close(loss, [0.0, 2e38], ulps=2)
    assert_close(gradient, [[0.0, 0.0], [-1.0, 1.0]], ulps=0)


def test_many_classes_that_are_never_made(backend: Variant) -> None:
    """Labels beyond 2**32 find their class, and rows stay small (T17)."""
    if backend.row not in ("numpy", "torch"):
        pytest.skip(f"{backend.name}: arrays that repeat one number are stored in full")
    labels = backend.asarray([2**33 + 1, 2**33 + 5, 3])
    targets = st.Targets.from_labels(labels, 2**34).smooth(0.5)
    assert_close(targets.mass(), [1.0, 1.0, 1.0], ulps=2)
    x = backend.asarray([[0.0, 1.0, 2.0, 3.0]] * 3)
    state = st.SoftmaxState.of(x, targets, first_class=2**33)
    # Of the block [2**33, 2**33 + 4), only the first row has its label, at 1.0.
    mass = backend.to_numpy(state.state.target_mass)[:, 0]
    dot = backend.to_numpy(state.state.target_dot)[:, 0]
    np.testing.assert_allclose(mass, [0.5 + 2**-33, 2**-33, 2**-33], rtol=1e-15)
    np.testing.assert_allclose(dot, [-1.0 - 6 * 2**-35, *[-6 * 2**-35] * 2], rtol=1e-15)
