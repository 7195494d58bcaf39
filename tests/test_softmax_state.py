"""The mergeable softmax state: blocks of classes in any order give what the whole gives."""

import itertools
import math
import re
import warnings
from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets.softmax.kernel import forward
from softtargets.softmax.state import Penalties
from softtargets.targets.structure import normal_form
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits

X = [
    [0.5, -1.25, 2.0, 0.25, 3.0, -0.5, 1.0, 0.0],
    [-0.75, 3.0, 1.5, -2.5, 0.5, 0.25, 6.0, 1.0],
    [0.125, 0.25, -0.375, 1.0, -4.0, 2.0, 0.5, 7.0],
]
LABELS = [4, 0, 6]
SPLITS = [(3, 5), (1, 7), (2, 5, 1), (1, 1, 6), (8,)]
INF = math.inf


@pytest.fixture(autouse=True)
def _quiet_dask(backend: Variant) -> Iterator[None]:
    """Dask computes when it is asked to, and NumPy then warns of infinities."""
    with warnings.catch_warnings():
        if backend.row == "dask":
            warnings.simplefilter("ignore", RuntimeWarning)
        yield


def blocks(x: Any, targets: Any, split: tuple[int, ...], **words: Any) -> list[st.SoftmaxState]:
    """Return the states of blocks of classes of the given sizes."""
    edges = list(itertools.accumulate((0, *split)))
    return [
        st.SoftmaxState.of(
            x[:, first:last], targets, first_class=first, num_classes=edges[-1], **words
        )
        for first, last in itertools.pairwise(edges)
    ]


def merged(states: list[st.SoftmaxState]) -> st.SoftmaxState:
    """Merge states from the left."""
    return reduce(st.SoftmaxState.merge, states)


MEASURES = ("logsumexp", "entropy", "mean_logit", "variance")


def test_measures_of_a_row(backend: Variant) -> None:
    """Logsumexp, entropy, mean and variance are those of the softmax of each row."""
    x = np.array(X)
    lse = np.log(np.sum(np.exp(x), axis=1))
    p = np.exp(x - lse[:, None])
    mean = np.sum(p * x, axis=1)
    expected = {
        "logsumexp": lse,
        "entropy": lse - mean,
        "mean_logit": mean,
        "variance": np.sum(p * (x - mean[:, None]) ** 2, axis=1),
    }
    for dtype in backend.dtypes:
        given = backend.asarray(X, dtype)
        state = st.SoftmaxState.of(given, backend.asarray(LABELS))
        for name in MEASURES:
            value = getattr(state, name)()
            assert_follows(value, given, dtype="float64" if dtype == "float64" else "float32")
            assert_close(value, expected[name], ulps=8, scale=8.0)


def targets_of_every_kind(backend: Variant) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield targets, with the keywords that a state takes."""
    labels = st.Targets.from_labels(backend.asarray(LABELS), 8)
    q = np.arange(24.0).reshape(3, 8) / np.arange(24.0).reshape(3, 8).sum(axis=1, keepdims=True)
    prior = backend.asarray(q[0], "float32")
    listed, weights = backend.asarray([[4, 1], [0, 7], [6, 2]]), [[0.5, 0.25]] * 3
    teacher = listed, backend.asarray(weights, "float32"), 8
    mask = np.array([True, True, False, True, True, False, True, True])
    yield backend.asarray(LABELS), {"label_smoothing": 0.1}
    yield backend.asarray([4, -100, 6]), {"label_smoothing": 0.1, "spread": "others"}
    yield backend.asarray(q, "float32"), {"class_weight": prior, "label_smoothing": 0.25}
    yield labels.smooth(0.25, prior=prior), {"sample_weight": backend.asarray([1.0, 0.5, 2.0])}
    yield (
        labels.mix(labels[backend.asarray([1, 2, 0])], 0.75),
        {"prior": prior, "label_smoothing": 0.5},
    )
    yield labels.smooth(0.25), {"class_mask": backend.asarray(mask)}
    yield labels, {"where": backend.asarray([True, False, True]), "label_smoothing": 0.1}
    for tail in ("drop", "bucket", "renormalize"):
        yield st.Targets.from_top_k(*teacher, tail=tail), {}


def test_any_split_is_the_whole(backend: Variant) -> None:
    """Blocks of any sizes, merged in any order, give the loss of all classes (T41)."""
    x = backend.asarray(X, "float32")
    # Elsewhere every call takes its time: one split, merged from the right.
    quick = backend.row in ("numpy", "torch")
    for targets, words in targets_of_every_kind(backend):
        expected = backend.to_numpy(st.cross_entropy(x, targets, reduction="none", **words))
        for split in SPLITS if quick else SPLITS[2:3]:
            states = blocks(x, targets, split, **words)
            for state in [merged(states[::-1])] + [merged(states)] * quick:
                assert_close(state.loss(reduction="none"), expected, ulps=16, scale=4.0)


def test_mean_of_a_merged_state(backend: Variant) -> None:
    """The mean of a merged state has the denominator of the whole, weights included."""
    x, labels = backend.asarray(X, "float32"), backend.asarray([4, -100, 6])
    words = {
        "label_smoothing": 0.1,
        "class_weight": backend.asarray(np.arange(8) / 4, "float32"),
    }
    state = merged(blocks(x, labels, (2, 5, 1), **words))
    assert_close(state.loss(), float(st.cross_entropy(x, labels, **words)), ulps=8, scale=4.0)


@pytest.mark.parametrize("split", [(3, 5), (2, 5, 1)], ids=["2 shards", "3 shards"])
def test_shards_of_uneven_size(backend: Variant, split: tuple[int, ...]) -> None:
    """Two and three shards of the classes give the loss of "others" of all classes (T41)."""
    wide = backend.dtypes[-1]
    x = backend.asarray(X, wide)
    labels = backend.asarray(LABELS)
    states = blocks(x, labels, split, label_smoothing=0.1, spread="others")
    data = np.array(X)
    q = np.full((3, 8), 0.1 / 7)
    q[np.arange(3), LABELS] = 0.9
    expected = np.log(np.sum(np.exp(data), axis=1)) - np.sum(q * data, axis=1)
    for order in itertools.permutations(states):
        assert_close(merged(list(order)).loss(reduction="none"), expected, ulps=8, scale=4.0)


def test_penalties_of_a_merged_state(backend: Variant) -> None:
    """The penalties of a merged state are those of all classes."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    terms = {"z_loss": 0.125, "confidence_penalty": backend.asarray(0.25, "float32")}
    state = merged(blocks(x, labels, (2, 5, 1), label_smoothing=0.1))
    for words in ({}, {"reduction": "sum"}, {"denominator": 8.0}):
        expected = st.cross_entropy(x, labels, label_smoothing=0.1, **words, **terms)
        assert_close(state.loss(**words, **terms), float(expected), ulps=16, scale=4.0)


def test_merge_is_commutative(backend: Variant) -> None:
    """The order of two blocks changes no bit."""
    left, right = blocks(backend.asarray(X, "float32"), backend.asarray(LABELS), (3, 5))
    first, second = left.merge(right), right.merge(left)
    assert_same_bits(first.loss(reduction="none"), second.loss(reduction="none"))
    for name in MEASURES:
        assert_same_bits(getattr(first, name)(), getattr(second, name)())


def test_merge_is_associative(backend: Variant) -> None:
    """The grouping of three blocks matters for rounding only."""
    a, b, c = blocks(backend.asarray(X, "float32"), backend.asarray(LABELS), (2, 5, 1))
    first, second = a.merge(b).merge(c), a.merge(b.merge(c))
    for name in MEASURES:
        expected = backend.to_numpy(getattr(second, name)())
        assert_close(getattr(first, name)(), expected, ulps=8, scale=8.0)


def test_measures_of_a_merged_state(backend: Variant) -> None:
    """Logsumexp, entropy, mean and variance of merged blocks are those of all classes."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    whole = st.SoftmaxState.of(x, labels)
    for split in SPLITS[:2]:
        ours = merged(blocks(x, labels, split))
        for name in MEASURES:
            expected = backend.to_numpy(getattr(whole, name)())
            assert_close(getattr(ours, name)(), expected, ulps=8, scale=8.0)


@pytest.mark.parametrize("moments", [0, 1])
def test_states_of_fewer_moments(backend: Variant, moments: int) -> None:
    """States that hold no second moment, or none, merge as well and give the same loss."""
    x = backend.asarray(X, "float32")
    targets = st.Targets.from_labels(backend.asarray(LABELS), 8).smooth(0.25)
    rows = normal_form(targets, x)
    halves = [
        forward(backend.xp, part, rows.classes(backend.xp, start, part), moments=moments).state
        for start, part in ((0, x[:, :3]), (3, x[:, 3:]))
    ]
    state = halves[0].merge(halves[1])
    assert (state.exp_dot is None) is (moments == 0)
    assert state.exp_square is None
    penalties = Penalties(confidence_penalty=0.5 if moments else 0.0)
    whole = st.SoftmaxState.of(x, targets).loss(
        reduction="none", confidence_penalty=penalties.confidence_penalty
    )
    ours = state.row_loss(penalties)
    assert_close(ours[:, 0], backend.to_numpy(whole), ulps=8, scale=4.0)


FAR: dict[str, tuple[slice, float]] = {
    "-inf block": (slice(0, 2), -INF),
    "-inf block at the end": (slice(7, 8), -INF),
    "-inf but one": (slice(0, 7), -INF),
    "-1e30 block": (slice(0, 2), -1e30),
    "-1e38 block": (slice(2, 7), -1e38),
    "+inf": (slice(7, 8), INF),
}


@pytest.mark.parametrize("far", FAR)
def test_far_apart_blocks(backend: Variant, far: str) -> None:
    """A block at or near -inf changes nothing, whichever side it is on (T13)."""
    data = np.array(X)
    data[:, FAR[far][0]] = FAR[far][1]
    x, labels = backend.asarray(data, "float32"), backend.asarray([7, 7, 7])
    whole = st.SoftmaxState.of(x, labels)
    with np.errstate(all="ignore"):
        top = data.max(axis=1, keepdims=True)
        z = np.where(data == top, 0.0, data - top)
        p = np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)
        shifted = np.where(p > 0, z, 0.0)
        mean = np.sum(p * shifted, axis=1)
        expected = {
            "logsumexp": top[:, 0] + np.log(np.sum(np.exp(z), axis=1)),
            "entropy": np.log(np.sum(np.exp(z), axis=1)) - mean,
            "mean_logit": top[:, 0] + mean,
            "variance": np.sum(p * (shifted - mean[:, None]) ** 2, axis=1),
        }
        losses = -np.log(p[:, 7]) - 0.25 * expected["entropy"]
    for states in ([whole], *(blocks(x, labels, split) for split in ((2, 5, 1), (7, 1)))):
        for state in (merged(states), merged(states[::-1])):
            for name in MEASURES:
                assert_close(getattr(state, name)(), expected[name], ulps=8, scale=8.0)
            loss = state.loss(reduction="none", confidence_penalty=0.25)
            assert_close(loss, losses, ulps=8, scale=8.0)


def test_blocks_of_many_classes(backend: Variant) -> None:
    """The logsumexp of one finite logit among 100,000 in blocks of 32,768 is that logit (T13)."""
    data = np.full((1, 100_000), -INF)
    data[0, 50_000] = 10.0
    x, split = backend.asarray(data, "float32"), (32_768, 32_768, 32_768, 1_696)
    state = merged(blocks(x, backend.asarray([50_000]), split))
    assert_close(state.logsumexp(), [10.0], ulps=0)
    assert_close(state.loss(), 0.0, ulps=0)


def test_target_mass_in_a_block_at_minus_infinity(backend: Variant) -> None:
    """Mass in a block of -inf makes the loss +inf, and a row of nothing else nan."""
    data = np.array(X)
    data[:, :3] = -INF
    data[2, :] = -INF
    labels = backend.asarray([1, 5, 5])
    for states in itertools.permutations(
        blocks(backend.asarray(data, "float32"), labels, (3, 4, 1))
    ):
        loss = merged(list(states)).loss(reduction="none")
        lse = np.log(np.sum(np.exp(data[1, 3:])))
        assert_close(loss, [INF, lse - data[1, 5], math.nan], ulps=8, scale=4.0)


def test_rows_of_any_shape(backend: Variant) -> None:
    """States have the shape of the rows, with the classes on any axis."""
    data = np.array([X, X[::-1]])
    labels = np.array([LABELS, LABELS[::-1]])
    x = backend.asarray(np.moveaxis(data, -1, 1), "float32")
    left, right = (
        st.SoftmaxState.of(
            x[:, cut, :], backend.asarray(labels), first_class=start, num_classes=8, axis=1
        )
        for start, cut in ((0, slice(0, 3)), (3, slice(3, 8)))
    )
    state = left.merge(right)
    assert repr(state) == "SoftmaxState(rows=(2, 3))"
    assert tuple(state.entropy().shape) == (2, 3)
    lse = np.log(np.sum(np.exp(data), axis=-1))
    expected = lse - np.take_along_axis(data, labels[..., None], axis=-1)[..., 0]
    assert_close(state.loss(reduction="none"), expected, ulps=8, scale=4.0)


def test_bad_blocks(backend: Variant) -> None:
    """A block beyond the classes, and keywords in the wrong place, are refused."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(LABELS)
    message = "first_class must be in [0, 3], got -1"
    with pytest.raises(ValueError, match=re.escape(message) + "$"):
        st.SoftmaxState.of(x[:, :5], labels, first_class=-1, num_classes=8)
    with pytest.raises(ValueError, match=r"^num_classes must be at least 5, .*, got 4$"):
        st.SoftmaxState.of(x[:, :5], labels, num_classes=4)
    for name in ("reduction", "denominator", "z_loss", "confidence_penalty"):
        with pytest.raises(TypeError, match=rf"^{name} must be given to loss\(\), got a keyword"):
            st.SoftmaxState.of(x, labels, **{name: 1.0})
    state = st.SoftmaxState.of(x, labels)
    with pytest.raises(ValueError, match=r"^denominator must be finite and above 0, got -1.0$"):
        state.loss(denominator=-1.0)
    rule = "denominator must be None unless reduction is 'mean', got 2.0"
    with pytest.raises(ValueError, match=f"^{rule}$"):
        state.loss(denominator=2.0, reduction="sum")
    with pytest.raises(ValueError, match=r"^z_loss must be finite and at least 0, got -1.0$"):
        state.loss(z_loss=-1.0)
