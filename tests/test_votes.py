"""Targets from the votes of several annotators."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits, to_numpy

VOTES = [[0, 2, 2, 1], [1, 1, 1, 1], [2, 0, 2, 0]]
GAPS = [[0, 2, -100, 1], [-100, -100, -100, -100], [2, -100, -100, 0]]


def exact(votes: Any, pseudocount: float = 0.0) -> np.ndarray:
    """Return (n_k + a) / (n + a K) for K = 3 by rational arithmetic, 0 for a row without votes."""
    rows = []
    for row in votes:
        seen = [label for label in row if label >= 0]
        a = Fraction(pseudocount)
        total = len(seen) + 3 * a
        rows.append([float((seen.count(k) + a) / total) if seen else 0.0 for k in range(3)])
    return np.array(rows)


@pytest.mark.parametrize("pseudocount", [0, 0.5, 2])
def test_definition(backend: Variant, pseudocount: float) -> None:
    """The mass of a class is its share of the votes, after a is added to each class."""
    for votes in (VOTES, GAPS):
        for dtype in backend.int_dtypes:
            if votes is GAPS and dtype.startswith("u"):
                continue  # cannot hold -100
            labels = backend.asarray([[max(v, -100) for v in row] for row in votes], dtype)
            targets = st.Targets.from_votes(labels, 3, pseudocount=pseudocount)
            assert_close(targets.to_dense(), exact(votes, pseudocount), ulps=4)


def test_counts_are_votes(backend: Variant) -> None:
    """Counts per class give the targets of the votes that they count."""
    counts = np.stack([np.bincount(row, minlength=3) for row in VOTES])
    for pseudocount in (0, 1):
        votes = st.Targets.from_votes(backend.asarray(VOTES), 3, pseudocount=pseudocount)
        tally = st.Targets.from_counts(backend.asarray(counts), pseudocount=pseudocount)
        assert_close(tally.to_dense(), to_numpy(votes.to_dense()), ulps=4)
        across = st.Targets.from_counts(
            backend.asarray(counts.T.copy()), pseudocount=pseudocount, axis=0
        )
        assert_same_bits(across.to_dense(), tally.to_dense())
    wide = backend.dtypes[-1]
    dtype = backend.asarray([1.0], wide).dtype
    tally = st.Targets.from_counts(backend.asarray(counts), dtype=dtype)
    assert tally.to_dense().dtype == dtype


def test_one_annotator_is_a_label(backend: Variant) -> None:
    """A single vote is a label, ignored ones included."""
    labels = backend.asarray([2, -100, 0])
    votes = st.Targets.from_votes(labels[:, None], 3)
    assert_same_bits(votes.to_dense(), st.one_hot(labels, 3))


def test_pseudocount_is_smoothing(backend: Variant) -> None:
    """To add a to each class is label smoothing of a K / (n + a K)."""
    votes = st.Targets.from_votes(backend.asarray(VOTES), 3)
    added = st.Targets.from_votes(backend.asarray(VOTES), 3, pseudocount=0.5)
    x = backend.asarray([[0.5, -1.25, 2.0], [-0.75, 3.0, 1.5], [0.125, 0.25, -0.375]], "float32")
    weight = backend.asarray([1.0, 2.0, 0.5], "float32")
    got = st.cross_entropy(x, added, class_weight=weight)
    want = st.cross_entropy(x, votes, class_weight=weight, label_smoothing=1.5 / 5.5)
    # The denominator, the weighted mass before smoothing, is the same as well.
    assert_same_bits(got, want)


def test_loss_of_votes(backend: Variant) -> None:
    """The loss is the mean of the losses of the votes; a row without any takes no part."""
    wide = backend.dtypes[-1]
    x = np.array([[0.5, -1.25, 2.0], [np.nan, np.inf, 1.5], [0.125, 0.25, -0.375]])
    log_p = x[[0, 2]] - np.log(np.sum(np.exp(x[[0, 2]]), axis=1, keepdims=True))
    targets = st.Targets.from_votes(backend.asarray(GAPS), 3)
    loss, gradient = st.value_and_grad(st.cross_entropy)(backend.asarray(x, wide), targets)
    rows = [np.mean(log_p[0, [0, 2, 1]]), np.mean(log_p[1, [2, 0]])]
    assert_close(loss, float(-np.mean(rows)), ulps=8, scale=2.0)
    assert np.all(to_numpy(gradient)[1] == 0)
    for pseudocount in (0, 1):
        smoothed = st.Targets.from_votes(backend.asarray(GAPS), 3, pseudocount=pseudocount)
        assert_close(smoothed.mass(), [1.0, 0.0, 1.0], ulps=2)


@settings(max_examples=60)
@given(seed=some.integers(0, 10**6), pseudocount=some.sampled_from((0.0, 0.25, 2.0)))
def test_properties(seed: int, pseudocount: float) -> None:
    """Mass is 1; the order of annotators does not matter; renaming classes renames targets."""
    rng = np.random.default_rng(seed)
    votes, order = rng.integers(0, 4, (6, 5)), rng.permutation(4)
    words: Any = {"pseudocount": pseudocount}
    dense = st.Targets.from_votes(votes, 4, **words).to_dense()
    np.testing.assert_allclose(dense.sum(axis=1), 1, rtol=1e-14)
    shuffled = rng.permuted(votes, axis=1)
    again = st.Targets.from_votes(shuffled, 4, **words).to_dense()
    np.testing.assert_allclose(again, dense, rtol=1e-14)
    renamed = st.Targets.from_votes(order[votes], 4, **words).to_dense()
    np.testing.assert_allclose(renamed[:, order], dense, rtol=1e-14)


def test_mixed_votes(backend: Variant) -> None:
    """Targets of votes mix with those of labels."""
    votes = st.Targets.from_votes(backend.asarray(VOTES), 3)
    labels = st.Targets.from_labels(backend.asarray([0, 1, 1]), 3)
    mixed = st.mix(votes, labels, 0.25)
    assert_close(mixed.to_dense(), 0.25 * exact(VOTES) + 0.75 * np.eye(3)[[0, 1, 1]], ulps=2)


def test_bad_votes_where_nobody_may_look(backend: Variant) -> None:
    """A vote out of range raises, or makes its row nan; so do counts without votes."""
    votes = backend.asarray([[0, 3], [1, 1]])
    counts = backend.asarray([[0, 0], [1, 3]])
    if backend.may_look:
        with pytest.raises(ValueError, match=r"^votes must be in \[0, 3\)"):
            st.Targets.from_votes(votes, 3)
        with pytest.raises(ValueError, match=r"^sums of counts must be above 0"):
            st.Targets.from_counts(counts)
        return
    for pseudocount in (0, 1):
        dense = to_numpy(st.Targets.from_votes(votes, 3, pseudocount=pseudocount).to_dense())
        assert np.all(np.isnan(dense[0]))
        np.testing.assert_allclose(dense[1], exact([[1, 1]], pseudocount)[0], rtol=1e-6)
    dense = to_numpy(st.Targets.from_counts(counts).to_dense())
    assert np.all(np.isnan(dense[0]))
    assert dense[1].tolist() == [0.25, 0.75]
