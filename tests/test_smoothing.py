"""Smoothing: amounts, priors, spreads, and their combinations (traps T34 and T35)."""

import re
import warnings
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits

BOTH = st.value_and_grad(st.cross_entropy)
X = [[0.5, -1.25, 2.0, 0.25], [-0.75, 3.0, 1.5, -2.5], [0.125, 0.25, -0.375, 1.0]]
LABELS = [2, 0, 3]
Q = [[0.5, 0.25, 0.25, 0.0], [0.0, 1.0, 0.0, 0.0], [0.125, 0.125, 0.5, 0.25]]
PRIOR = [0.5, 0.25, 0.0, 0.25]
MATRIX = [
    [0.0, 0.5, 0.25, 0.25],
    [0.25, 0.25, 0.25, 0.25],
    [0.5, 0.125, 0.125, 0.25],
    [0.0, 0.0, 0.0, 1.0],
]
PRIORS: dict[str, Any] = {"uniform": None, "vector": PRIOR, "matrix": MATRIX}


def smoothed(q: Any, epsilon: Any, prior: Any = None, spread: str = "all", mask: Any = None) -> Any:
    """Return smoothed rows from the definition, one class of one row at a time.

    ``epsilon`` is a number, one per row, or one per row and class.
    """
    q = np.asarray(q, np.float64)
    rows, count = q.shape
    amount = np.asarray(epsilon, np.float64)
    amount = np.broadcast_to(amount[:, None] if amount.ndim == 1 else amount, q.shape)
    mask = np.ones(count, bool) if mask is None else np.asarray(mask)
    table = np.full((count, count), 1.0) if prior is None else np.asarray(prior, np.float64)
    table = np.broadcast_to(table, (count, count))
    result = np.zeros_like(q)
    for row in range(rows):
        for k in np.flatnonzero(q[row]):
            u = np.where(mask, table[k], 0.0)
            if spread == "others":
                u[k] = 0.0
            if u.sum() == 0:  # nobody else takes the mass
                u[k] = 1.0
            e = amount[row, k]
            result[row] += q[row, k] * e * u / u.sum()
            result[row, k] += q[row, k] * (1 - e)
    return result


def arrays(backend: Variant, dtype: str = "float32") -> tuple[st.Targets, st.Targets, Any]:
    """Return labels, distributions, and a function that makes float arrays."""

    def array(data: Any) -> Any:
        return None if data is None else backend.asarray(data, dtype)

    labels = st.Targets.from_labels(backend.asarray(LABELS), 4)
    return labels, st.Targets.from_distributions(array(Q)), array


@pytest.mark.parametrize("spread", ["all", "others"])
@pytest.mark.parametrize("prior", PRIORS)
def test_smoothing_is_its_definition(backend: Variant, prior: str, spread: str) -> None:
    """Each prior and spread gives the rows of its formula, for labels and distributions."""
    labels, dense, array = arrays(backend)
    given = PRIORS[prior]
    per_row = [0.25, 0.0, 0.5]
    for targets, q in ((labels, np.eye(4)[LABELS]), (dense, np.array(Q))):
        for epsilon in (0.25, 0.0, 0.5, per_row):
            amount = array(epsilon) if epsilon is per_row else epsilon
            ours = targets.smooth(amount, prior=array(given), spread=spread)
            expected = smoothed(q, epsilon, given, spread)
            dtype = backend.xp.float32
            assert_close(ours.to_dense(dtype=dtype), expected, ulps=4, scale=0.25)
            assert_close(ours.mass(), np.ones(3), ulps=4, dtype="float32")


@pytest.mark.parametrize("spread", ["all", "others"])
def test_everything_may_be_smoothed_away(backend: Variant, spread: str) -> None:
    """An amount of 1 leaves the prior alone, and 0 leaves the targets as they are."""
    labels, _, array = arrays(backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "others" inverts the targets
        all_gone = labels.smooth(1.0, prior=array(MATRIX), spread=spread)
    expected = smoothed(np.eye(4)[LABELS], 1.0, MATRIX, spread)
    assert_close(all_gone.to_dense(dtype=backend.xp.float32), expected, ulps=4)
    nothing = labels.smooth(0.0, prior=array(MATRIX), spread=spread)
    assert_same_bits(nothing.to_dense(), labels.to_dense())


def test_known_losses(backend: Variant) -> None:
    """The losses of the conventions for x = [1, 2, 3] and label 0 are the published ones."""
    wide = backend.dtypes[-1]
    x, label = backend.asarray([[1.0, 2.0, 3.0]], wide), backend.asarray([0])
    # log(e + e^2 + e^3) = 3.4076059644443806
    cases: list[tuple[dict[str, Any], float]] = [
        ({}, 2.4076059644443806),
        ({"label_smoothing": 0.1}, 2.3076059644443805),
        ({"label_smoothing": 1.0}, 1.4076059644443804),
        ({"label_smoothing": 0.1, "spread": "others"}, 2.2576059644443807),
        ({"label_smoothing": 0.1, "prior": [0.5, 0.3, 0.2]}, 2.3376059644443805),
        # Without the padding class 1, as OpenNMT does it.
        ({"label_smoothing": 0.1, "spread": "others", "prior": [0.5, 0.0, 0.5]}, 2.207605964444380),
    ]
    for words, expected in cases:
        if "prior" in words:
            words["prior"] = backend.asarray(words["prior"], wide)
        assert_close(st.cross_entropy(x, label, **words), expected, ulps=4)
    rows = backend.asarray([[1.0, 2.0, 3.0]] * 3, wide)
    amounts = backend.asarray([0.1, 0.2, 0.0], wide)
    loss = st.cross_entropy(
        rows, backend.asarray([0, 1, 2]), label_smoothing=amounts, reduction="none"
    )
    assert_close(loss, [2.3076059644443805, 1.4076059644443804, 0.4076059644443804], ulps=8)


@pytest.mark.parametrize("spread", ["all", "others"])
@pytest.mark.parametrize("prior", PRIORS)
def test_the_keyword_is_the_method(backend: Variant, prior: str, spread: str) -> None:
    """label_smoothing= and smooth() are the same thing to the last bit, denominator included."""
    labels, dense, array = arrays(backend)
    x, weight = array(X), array([1.0, 2.0, 0.5, 4.0])
    for amount in (0.3, array([0.25, 0.0, 0.5])):
        words = {"prior": array(PRIORS[prior]), "spread": spread}
        for targets in (labels, dense):
            ours = BOTH(x, targets.smooth(amount, **words), class_weight=weight)
            same = BOTH(x, targets, label_smoothing=amount, class_weight=weight, **words)
            assert_same_bits(same[0], ours[0])
            assert_same_bits(same[1], ours[1])


def test_numbers_and_arrays_of_one_number(backend: Variant) -> None:
    """A 0-d array, and an array of equal amounts, smooth as the number does."""
    labels, _, array = arrays(backend)
    number = BOTH(array(X), labels, label_smoothing=0.25)
    for amount in (array(0.25), array([0.25] * 3), np.float32(0.25), 0.25):
        for ours, expected in zip(
            BOTH(array(X), labels, label_smoothing=amount), number, strict=True
        ):
            assert_close(ours, backend.to_numpy(expected), ulps=2, scale=1.0)
    one = BOTH(array(X), labels, label_smoothing=1)
    assert_same_bits(one[0], BOTH(array(X), labels, label_smoothing=1.0)[0])


@pytest.mark.parametrize("spread", ["all", "others"])
def test_one_amount_per_class(backend: Variant, spread: str) -> None:
    """per_class[k] is the amount of the mass of class k; for labels that of the row (T34)."""
    labels, dense, array = arrays(backend)
    per_class = np.array([0.0, 0.25, 0.5, 0.125])
    for given in PRIORS.values():
        words = {"prior": array(given), "spread": spread}
        ours = labels.smooth(per_class=array(per_class), **words)
        per_row = labels.smooth(array(per_class[LABELS]), **words)
        assert_same_bits(ours.to_dense(), per_row.to_dense())
        of_dense = dense.smooth(per_class=array(per_class), **words)
        expected = smoothed(Q, np.broadcast_to(per_class, (3, 4)), given, spread)
        assert_close(of_dense.to_dense(), expected, ulps=4, scale=0.25)


def test_a_uniform_prior_is_the_default(backend: Variant) -> None:
    """A prior that gives all classes the same changes nothing (T34)."""
    labels, dense, array = arrays(backend)
    for targets in (labels, dense):
        for spread in ("all", "others"):
            plain = targets.smooth(0.25, spread=spread).to_dense(dtype=backend.xp.float32)
            for prior in ([0.25] * 4, np.full((4, 4), 0.25)):
                given = targets.smooth(0.25, spread=spread, prior=array(prior))
                dense_form = given.to_dense(dtype=backend.xp.float32)
                assert_close(dense_form, backend.to_numpy(plain), ulps=2)


def test_smoothing_twice(backend: Variant) -> None:
    """A second smoothing acts on the result of the first, whatever priors they have."""
    labels, dense, array = arrays(backend)
    uniform, vector, matrix = None, PRIOR, MATRIX
    cases = [
        ((0.25, uniform, "all"), (0.5, uniform, "all")),
        ((0.25, vector, "all"), (0.5, uniform, "all")),
        ((0.25, matrix, "all"), (0.5, vector, "all")),
        ((0.25, uniform, "others"), (0.5, vector, "all")),
        ((0.25, vector, "others"), (0.5, uniform, "all")),
        ((0.25, uniform, "all"), (0.5, uniform, "others")),
    ]
    for first, second in cases:
        for targets, q in ((labels, np.eye(4)[LABELS]), (dense, np.array(Q))):
            once = targets.smooth(first[0], prior=array(first[1]), spread=first[2])
            twice = once.smooth(second[0], prior=array(second[1]), spread=second[2])
            middle = smoothed(q, *first)
            if second[1] is None or second[2] == "all":
                expected = smoothed(middle, *second)
            assert_close(twice.to_dense(dtype=backend.xp.float32), expected, ulps=8, scale=0.25)


def test_one_prior_is_kept_once(backend: Variant) -> None:
    """Smoothing again with the same prior needs no more memory."""
    labels, _, array = arrays(backend)
    prior = array(PRIOR)
    twice = labels.smooth(0.25, prior=prior).smooth(0.5, prior=prior)
    assert len(twice.parts[0].spills) == 1
    assert len(labels.smooth(0.25).smooth(0.5, prior=prior).parts[0].spills) == 2


@pytest.mark.parametrize("spread", ["all", "others"])
@pytest.mark.parametrize("prior", PRIORS)
def test_masked_classes_leave_the_prior(backend: Variant, prior: str, spread: str) -> None:
    """Only classes that the mask keeps take mass, in the proportions of the prior."""
    labels, _, array = arrays(backend)
    mask = [True, False, True, True]
    given = PRIORS[prior]
    q = smoothed(np.eye(4)[LABELS], 0.25, given, spread, mask)
    x = np.where(mask, np.array(X), -np.inf)
    log_p = x - np.log(np.sum(np.exp(x), axis=1, keepdims=True))
    expected = -np.sum(np.where(q == 0, 0.0, q * np.where(mask, log_p, 0.0)), axis=1)
    words = {"label_smoothing": 0.25, "prior": array(given), "spread": spread}
    for class_mask in (mask, np.broadcast_to(mask, (3, 4))):
        loss, gradient = BOTH(
            array(X), labels, class_mask=backend.asarray(class_mask), reduction="none", **words
        )
        assert_close(loss, expected, ulps=8, scale=2.0)
        assert_close(gradient, np.exp(log_p) - q, ulps=8, scale=1.0)


@pytest.mark.parametrize("rows", [False, True])
def test_prior_on_masked_classes_only(backend: Variant, rows: bool) -> None:
    """A prior of which the mask leaves nothing raises, or gives nan where nobody may look."""
    labels, _, array = arrays(backend)
    prior = [0.0, 1.0, 0.0, 0.0]
    words: dict[str, Any] = {"class_mask": backend.asarray([True, False, True, True])}
    words |= {"label_smoothing": 0.5, "prior": array([prior] * 4 if rows else prior)}
    if backend.may_look:
        message = "prior must have mass on classes that class_mask keeps"
        with pytest.raises(ValueError, match=f"^{message}"):
            st.cross_entropy(array(X), labels, **words)
    else:
        with warnings.catch_warnings():
            if backend.row == "dask":
                warnings.simplefilter("ignore", RuntimeWarning)
            loss = backend.to_numpy(st.cross_entropy(array(X), labels, reduction="none", **words))
        assert np.isnan(loss).all()


def test_multi_hot_rows_are_refused(backend: Variant) -> None:
    """Rows that sum to 2 are no targets of a softmax, smoothed or not (T35)."""
    rows = backend.asarray([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], "float32")
    if not backend.may_look:
        pytest.skip(f"{backend.name}: values are never looked at")
    for act in (
        lambda: st.smooth_labels(rows, 0.1),
        lambda: st.cross_entropy(rows, rows, label_smoothing=0.1),
    ):
        with pytest.raises(
            ValueError, match=r"^rows of \w+ must sum to 1, got 2.0 at position \(0,\)$"
        ):
            act()


def test_inverted_targets_warn(backend: Variant) -> None:
    """Beyond (K-1)/K "others" gives the label less than the rest: a warning at the caller."""
    labels, _, array = arrays(backend)
    message = (
        "label_smoothing 0.8 with spread='others' leaves the label no more mass than each of the "
        "other 3 classes; it would have to be below 0.75"
    )
    for act in (
        lambda: labels.smooth(0.8, spread="others"),
        lambda: st.cross_entropy(array(X), labels, label_smoothing=0.8, spread="others"),
        lambda: BOTH(array(X), labels, label_smoothing=0.8, spread="others"),
    ):
        with pytest.warns(UserWarning, match=f"^{re.escape(message)}$") as caught:
            act()
        assert [entry.filename for entry in caught] == [__file__]
    labels.smooth(0.8)
    labels.smooth(0.7, spread="others")
