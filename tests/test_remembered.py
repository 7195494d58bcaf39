"""Calls of one kind share what does not depend on their arrays."""

import weakref
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets.losses import remembered
from softtargets.losses.problem import make_problem
from softtargets.losses.remembered import problem_of

from .backends import assert_same_bits
from .losses import LOSSES

BOTH = st.value_and_grad(st.cross_entropy)
X = np.random.default_rng(0).normal(size=(6, 5))


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with an empty memory."""
    monkeypatch.setattr(remembered, "_problems", {})


def known() -> int:
    """How many kinds of calls are known."""
    return len(remembered._problems)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"label_smoothing": 0.1},
        {"label_smoothing": 0.1, "axis": 0},
        {"reduction": "none", "ignore_index": 7},
        {"z_loss": 0.1, "confidence_penalty": 0.2, "reduction": "sum"},
        {"denominator": 3.0, "ignore_index": -1},
    ],
    ids=str,
)
def test_same_as_the_first_time(options: dict[str, Any]) -> None:
    """What is remembered gives the bits of a call of which nothing was known."""
    rng = np.random.default_rng(1)
    for _ in range(3):
        x = rng.normal(size=(5, 5)).astype(np.float32)
        labels = rng.integers(0, 5, 5)
        remembered._problems.clear()
        want = BOTH(x, labels, **options)
        assert known() == 1
        BOTH(x + 1, (labels + 1) % 5, **options)
        again = BOTH(x, labels, **options)
        assert known() == 1
        for got, expected in zip(again, want, strict=True):
            assert_same_bits(got, expected)


def test_every_loss_has_kinds_of_its_own() -> None:
    """Losses that are called with the same arguments in turn give the bits of a first call."""
    labels = np.array([0, 1, 2, 3, 4, 0])
    want = []
    for loss in LOSSES:
        remembered._problems.clear()
        want.append(loss.with_gradient(X, labels))
    remembered._problems.clear()
    for values in (X + 1, X):
        found = [loss.with_gradient(values, labels) for loss in LOSSES]
    assert known() >= 10
    for got, expected in zip(found, want, strict=True):
        assert_same_bits(got[0], expected[0])
        assert_same_bits(got[1], expected[1])


@pytest.mark.parametrize("ignore_index", [-100, 2])
def test_labels_that_are_ignored(ignore_index: int) -> None:
    """Ignored labels in a later call, or in the first, leave their rows out."""
    whole, some = np.array([0, 1, 3, 4, 0, 1]), np.array([0, ignore_index, 3, 4, 0, 1])
    kept = np.delete(X, 1, axis=0)
    want = st.cross_entropy(kept, np.delete(whole, 1))
    for labels in (some, whole, some):
        got = st.cross_entropy(X, labels, ignore_index=ignore_index)
        assert (float(got) == pytest.approx(float(want), rel=1e-14)) == (labels is some)


def test_bad_labels_of_a_known_kind() -> None:
    """A label out of range raises whatever is known."""
    labels = np.array([0, 1, 2, 3, 4, 0])
    st.cross_entropy(X, labels)
    assert known() == 1
    with pytest.raises(ValueError, match="targets must be in"):
        st.cross_entropy(X, labels + 1)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"axis": 1}, {"axis": 1.0}),
        ({"axis": 1}, {"axis": True}),
        ({"ignore_index": 1}, {"ignore_index": True}),
        ({"label_smoothing": 1}, {"label_smoothing": True}),
    ],
    ids=str,
)
def test_values_that_compare_equal(good: dict[str, Any], bad: dict[str, Any]) -> None:
    """What is refused stays refused where an equal value of another type is known."""
    labels = np.array([0, 0, 2, 3, 4, 0])
    st.cross_entropy(X, labels, **good)
    with pytest.raises(TypeError, match=next(iter(bad))):
        st.cross_entropy(X, labels, **bad)


@pytest.mark.parametrize(
    "options",
    [
        {"label_smoothing": np.full(6, 0.1)},
        {"label_smoothing": 0.1, "prior": np.full(5, 0.2)},
        {"class_weight": np.arange(5.0)},
        {"sample_weight": np.arange(6.0)},
        {"where": np.arange(6) > 2},
        {"denominator": np.asarray(3)},
        {"label_smoothing": np.float64(0.1)},
        {"label_smoothing": 0.1, "spread": "others"},
    ],
    ids=str,
)
def test_not_remembered(options: dict[str, Any]) -> None:
    """Where other values are in arrays, or amounts belong to labels, nothing is kept."""
    st.cross_entropy(X, np.array([0, 1, 2, 3, 4, 0]), **options)
    assert known() == 0
    with pytest.raises(TypeError):
        st.cross_entropy(X, np.array([0.5, 1, 2, 3, 4, 0]), **options)


def test_no_array_is_kept() -> None:
    """The arrays of a call may go when it is over."""
    logits, labels = X.copy(), np.array([0, 1, 2, 3, 4, 0])
    gone = [weakref.ref(logits), weakref.ref(labels)]
    BOTH(logits, labels, label_smoothing=0.1)
    assert known() == 1
    del logits, labels
    assert [reference() for reference in gone] == [None, None]


def test_no_more_than_a_number_of_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kinds are forgotten before they become too many."""
    monkeypatch.setattr(remembered, "_MOST", 3)
    counts = []
    for count in range(1, 7):
        st.cross_entropy(X[:count], np.zeros(count, dtype=np.int64))
        counts.append(known())
    assert counts == [1, 2, 3, 1, 2, 3]


def test_same_problem() -> None:
    """A remembered problem has everything that a new one has."""
    labels = np.array([0, 1, 2, 3, 4, 0], dtype=np.int8)
    options: dict[str, Any] = {"label_smoothing": 0.1, "z_loss": 0.5}
    problem_of(X + 1, labels[::-1], options, make_problem)
    got = problem_of(X, labels, options, make_problem)
    want = make_problem(X, labels, **options)
    assert got.matrix is want.matrix is got.logits is want.logits is X
    assert_same_bits(got.rows.points[0].labels, want.rows.points[0].labels)
    assert got.rows.points[0].amount == want.rows.points[0].amount
    same = ("axis", "dtype", "expression", "loss", "reducer", "xp")
    assert [getattr(got, name) for name in same] == [getattr(want, name) for name in same]
    assert (got.rows.uniform, got.rows.mass) == (want.rows.uniform, want.rows.mass)
