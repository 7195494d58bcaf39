"""Priors and noise from counts."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits, to_numpy


def exact(counts: Any, pseudocount: int = 0) -> list[float]:
    """Return (c + a) / sum (c + a) by rational arithmetic."""
    total = sum(counts) + pseudocount * len(counts)
    return [float(Fraction(c + pseudocount, total)) for c in counts]


def test_shares(backend: Variant) -> None:
    """The prior is the share of each class, correctly rounded, of any integer dtype."""
    for counts in ([3, 1, 0, 2], [1, 1, 1], [7], [100, 0, 27]):
        for a in (0, 1, 3):
            for dtype in (None, *backend.int_dtypes):
                given_counts = backend.asarray(counts, dtype)
                prior = st.prior_from_counts(given_counts, pseudocount=a)
                assert_close(prior, np.array(exact(counts, a)), ulps=0.5)
    whole = backend.asarray([3, 1])
    assert_follows(st.prior_from_counts(whole), st.one_hot(whole, 4))


def test_dtypes(backend: Variant) -> None:
    """Floating counts keep their dtype, half precision becomes float32, and dtype= decides."""
    for dtype in backend.dtypes:
        counts = backend.asarray([0.5, 1.5, 2.0], dtype)
        prior = st.prior_from_counts(counts)
        wanted = "float32" if dtype in ("float16", "bfloat16") else dtype
        assert_follows(prior, counts, dtype=wanted)
        assert_close(prior, [0.125, 0.375, 0.5], ulps=0)
        same = st.prior_from_counts(backend.asarray([1, 3, 4]), dtype=counts.dtype)
        assert_follows(same, counts)
        assert_close(same, [0.125, 0.375, 0.5], ulps=0)


def test_one_prior_per_row(backend: Variant) -> None:
    """Counts with more axes give a prior for each row, as `prior=` of shape (K, K) needs it."""
    counts = np.array([[2, 1, 1], [0, 4, 0], [1, 1, 6]])
    prior = st.prior_from_counts(backend.asarray(counts, "float32"))
    assert_close(prior, counts / counts.sum(axis=1, keepdims=True), ulps=0)
    labels = backend.asarray([2, 0])
    soft = st.Targets.from_labels(labels, 3).smooth(0.5, prior=prior)
    assert_close(soft.to_dense(), [[0.0625, 0.0625, 0.875], [0.75, 0.125, 0.125]], ulps=0)


def test_power(backend: Variant) -> None:
    """The power flattens or sharpens: 1/2 of squares are their roots, and 1 changes no bit."""
    counts = backend.asarray([1, 4, 16, 0], backend.dtypes[-1])
    assert_close(st.prior_from_counts(counts, power=0.5), [1 / 7, 2 / 7, 4 / 7, 0.0], ulps=2)
    assert_close(st.prior_from_counts(counts, power=2.0), np.array([1, 16, 256, 0]) / 273, ulps=2)
    assert_same_bits(st.prior_from_counts(counts, power=1), st.prior_from_counts(counts))
    # A count and its fifth power may be out of range where their shares are not.
    large = backend.asarray([1e30, 2e30], "float32")
    assert_close(st.prior_from_counts(large, power=5.0), [1 / 33, 32 / 33], ulps=4)


@settings(max_examples=60)
@given(
    counts=some.lists(some.integers(0, 10**6), min_size=2, max_size=9).filter(any),
    pseudocount=some.sampled_from((0.0, 0.5, 3.0)),
    power=some.sampled_from((1.0, 0.75, 2.0)),
    seed=some.integers(0, 99),
)
def test_properties(counts: list[int], pseudocount: float, power: float, seed: int) -> None:
    """The mass is 1, renaming classes renames the prior, and the order of counts is kept."""
    array = np.array(counts)
    prior = st.prior_from_counts(array, pseudocount=pseudocount, power=power)
    assert abs(prior.sum() - 1) < 1e-14
    order = np.random.default_rng(seed).permutation(len(counts))
    again = st.prior_from_counts(array[order], pseudocount=pseudocount, power=power)
    np.testing.assert_allclose(again, prior[order], rtol=1e-14)
    assert np.all(np.diff(prior[np.argsort(array, kind="stable")]) >= 0)


def test_unigram_smoothing(backend: Variant) -> None:
    """With the label marginal as prior the mass of the classes over the data set stays (P(y))."""
    labels = np.array([0, 0, 0, 1, 3, 3, 2, 0])
    counts = backend.asarray(np.bincount(labels, minlength=4), backend.dtypes[-1])
    prior = st.prior_from_counts(counts)
    soft = st.Targets.from_labels(backend.asarray(labels), 4).smooth(0.3, prior=prior)
    dense = to_numpy(soft.to_dense(dtype=prior.dtype))
    np.testing.assert_allclose(dense.mean(axis=0), to_numpy(prior), rtol=1e-6)


def test_unseen_classes_where_nobody_may_look(backend: Variant) -> None:
    """Counts that sum to 0 have no distribution: they raise, or are nan where looking costs."""
    counts = backend.asarray([[0, 0], [1, 3]], "float32")
    if backend.may_look:
        with pytest.raises(ValueError, match=r"^sums of counts must be above 0, got 0.0 at pos"):
            st.prior_from_counts(counts)
        return
    for power in (1.0, 2.0):
        prior = to_numpy(st.prior_from_counts(counts, power=power))
        assert np.all(np.isnan(prior[0]))
        np.testing.assert_allclose(prior[1], np.array([1.0, 3.0**power]) / (1 + 3.0**power))


def test_transition_from_confusion(backend: Variant) -> None:
    """Rows of a confusion matrix are the true classes, those of scikit-learn included."""
    true, said = np.array([0, 0, 0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 2, 1, 1, 2, 0])
    confusion = np.zeros((3, 3), dtype=int)
    np.add.at(confusion, (true, said), 1)
    transition = st.transition_from_confusion(backend.asarray(confusion), pseudocount=0)
    assert_close(transition, [[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]], ulps=0)
    added = st.transition_from_confusion(backend.asarray(confusion), pseudocount=2)
    assert_close(added, [exact(row, 2) for row in confusion.tolist()], ulps=0.5)
    metrics = pytest.importorskip("sklearn.metrics")
    assert metrics.confusion_matrix(true, said).tolist() == confusion.tolist()
