"""States of blocks of classes that are combined where each block knows only what all have."""

from __future__ import annotations

import itertools
import operator
import warnings
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets.execution import plan
from softtargets.losses.reductions import Elsewhere, make_reducer
from softtargets.softmax.state import RowState
from tests.backends import Variant, assert_close, assert_same_bits

X = np.asarray(
    [
        [0.5, -1.25, 2.0, 0.25, 3.0, -0.5, 1.0, 0.0],
        [-0.75, 3.0, 1.5, -2.5, 0.5, 0.25, 6.0, 1.0],
        [0.125, 0.25, -0.375, 1.0, -4.0, 2.0, 0.5, 7.0],
        [-np.inf, -np.inf, 2.0, 1.0, 0.5, 0.0, -1.0, -np.inf],
    ]
)
LABELS = [4, 0, 6, 2]


@pytest.fixture(autouse=True)
def _quiet_dask(backend: Variant) -> Iterator[None]:
    """Dask computes when it is asked to, and NumPy then warns of infinities."""
    with warnings.catch_warnings():
        if backend.row == "dask":
            warnings.simplefilter("ignore", RuntimeWarning)
        yield


class Asked(Exception):
    """A block waits for what all have."""

    def __init__(self, what: str, value: Any) -> None:
        self.what, self.value = what, value


def combined(xp: Any, states: list[RowState]) -> tuple[list[RowState], list[tuple[str, int]]]:
    """Return what each block finds, and what was asked for, with its number of columns.

    Each block goes as far as it can with the answers so far, then all get one more.
    """
    answers: list[Any] = []
    questions: list[tuple[str, int]] = []
    while True:
        asked: list[Asked] = []
        found = []
        for state in states:
            left = iter(answers)

            def ask(what: str, left: Iterator[Any] = left) -> Callable[[Any], Any]:
                def answer(value: Any) -> Any:
                    known = next(left, None)
                    if known is None:
                        raise Asked(what, value)
                    return known

                return answer

            try:
                found.append(state.combined(ask("largest"), ask("total")))
            except Asked as question:
                asked.append(question)
        if not asked:
            return found, questions
        assert not found
        assert len({question.what for question in asked}) == 1
        combine = xp.maximum if asked[0].what == "largest" else operator.add
        answers.append(reduce(combine, [question.value for question in asked]))
        questions.append((asked[0].what, int(answers[-1].shape[1])))


def blocks(x: Any, targets: Any, split: tuple[int, ...], **words: Any) -> list[st.SoftmaxState]:
    """Return the states of blocks of classes of the given sizes."""
    edges = list(itertools.accumulate((0, *split)))
    return [
        st.SoftmaxState.of(
            x[:, first:last], targets, first_class=first, num_classes=edges[-1], **words
        )
        for first, last in itertools.pairwise(edges)
    ]


def test_blocks_find_the_state_of_all(backend: Variant) -> None:
    """One question for the largest and one for the sums gives every block the state of all; a tail
    takes one more. Blocks may be empty.
    """
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    best, shares = backend.asarray([[4, 1], [0, 7], [6, 2], [2, 3]]), [[0.5, 0.25]] * 4
    bucket = st.Targets.from_top_k(best, backend.asarray(shares, "float32"), 8, tail="bucket")
    cases = (
        (labels, {"label_smoothing": 0.1, "spread": "others"}, [("largest", 1), ("total", 5)]),
        (bucket, {}, [("largest", 1), ("largest", 1), ("total", 6)]),
    )
    # Elsewhere every call takes its time.
    quick = backend.row in ("numpy", "torch")
    for targets, words, questions in cases if quick else cases[1:]:
        whole = st.SoftmaxState.of(x, targets, **words)
        states = blocks(x, targets, (2, 0, 5, 1) if quick else (2, 0, 6), **words)
        found, asked = combined(backend.xp, [state.state for state in states])
        assert asked == questions
        for one in (found[0], found[1]):
            state = st.SoftmaxState(one, whole.row_shape, whole.sample_weight)
            expected = whole.loss(reduction="none")
            assert_close(state.loss(reduction="none"), expected, ulps=16, scale=4.0)
            for measure in ("logsumexp", "entropy", "variance") if quick else ("variance",):
                got, want = getattr(state, measure)(), getattr(whole, measure)()
                assert_close(got, want, ulps=64, scale=4.0)


def test_no_classes(backend: Variant) -> None:
    """A block without classes changes no other, on either side, and alone it has no loss."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    nothing, all_ = blocks(x, labels, (0, 8), label_smoothing=0.1)
    want = st.cross_entropy(x, labels, label_smoothing=0.1, reduction="none")
    for state in (nothing.merge(all_), all_.merge(nothing)):
        assert_close(state.loss(reduction="none"), want, ulps=8, scale=4.0)
    assert np.all(np.isnan(backend.to_numpy(nothing.loss(reduction="none"))))


def test_a_block_that_is_known_later(backend: Variant) -> None:
    """The first class of a block may be an array, for every form of targets."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    prior = backend.asarray(np.arange(1.0, 9) / 36, "float32")
    words = {"label_smoothing": 0.2, "prior": prior, "class_weight": prior}
    first = backend.asarray(3)
    for spread in ("all", "others"):
        one, other = (
            st.SoftmaxState.of(
                x[:, 3:], labels, first_class=where, num_classes=8, spread=spread, **words
            )
            for where in (first, 3)
        )
        for name in ("exp_sum", "target_dot", "target_mass"):
            assert_same_bits(getattr(one.state, name), getattr(other.state, name))


def test_states_of_blocks_of_rows(backend: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    """States that are made a few rows at a time are the same bits."""
    x, labels = backend.asarray(X, "float64" if "float64" in backend.dtypes else "float32"), LABELS
    given = backend.asarray(labels)
    whole = st.SoftmaxState.of(x, given, label_smoothing=0.1)
    for name in ("HOST_ENTRIES", "DEVICE_ENTRIES"):
        monkeypatch.setattr(plan, name, 16)
    parts = st.SoftmaxState.of(x, given, label_smoothing=0.1)
    for name in ("maximum", "exp_sum", "target_dot", "exp_dot", "exp_square"):
        assert_same_bits(getattr(parts.state, name), getattr(whole.state, name))


def test_rows_elsewhere(backend: Variant) -> None:
    """Sums and denominators are those of all machines, gradients have the factor that is asked for,
    and what stays rows stays here.
    """
    like = backend.asarray([[1.0], [2.0], [4.0]], "float32")
    there = Elsewhere(lambda total: 2 * total, factor=3.0)

    def reducer(reduction: Any, denominator: Any = None) -> Any:
        return make_reducer(backend.xp, reduction, 1.0, like, (3,), None, denominator, there)

    for given, value, scale in (
        (reducer("mean"), 7 / 3, 0.5),
        (reducer("mean", 7.0), 2.0, 3 / 7),
    ):
        assert_close(given.value(like), np.asarray(value), ulps=2)
        assert_close(0 * like[:1, :] + given.scale(), np.asarray([[scale]]), ulps=2)
    assert_close(reducer("sum").value(like), np.asarray(14.0), ulps=2)
    assert reducer("sum").scale() == 3.0
    alone = reducer("none")
    assert_same_bits(alone.value(like), like[:, 0])
    assert alone.scale() == 1.0
