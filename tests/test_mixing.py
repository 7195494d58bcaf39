"""Mixtures of targets: mixup and cutmix (traps T36 and T37)."""

from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits

BOTH = st.value_and_grad(st.cross_entropy)
X = [[0.5, -1.25, 2.0], [-0.75, 3.0, 1.5], [0.125, 0.25, -0.375]]
A, B = [0, 2, 1], [2, 2, 0]


def pair(backend: Variant) -> tuple[st.Targets, st.Targets]:
    """Return two targets of three rows."""
    return tuple(st.Targets.from_labels(backend.asarray(y), 3) for y in (A, B))  # type: ignore[return-value]


def dense(backend: Variant, targets: st.Targets) -> Any:
    """Return the dense rows in float64."""
    array = targets.to_dense(dtype=backend.asarray([0], backend.dtypes[-1]).dtype)
    return backend.to_numpy(array).astype(np.float64)


def test_known_losses(backend: Variant) -> None:
    """x = [1, 2, 3] with 0.7 of class 0 and 0.3 of class 2, before and after smoothing."""
    wide = backend.dtypes[-1]
    x = backend.asarray([[1.0, 2.0, 3.0]], wide)
    a, b = (st.Targets.from_labels(backend.asarray([y]), 3) for y in (0, 2))
    # log(e + e^2 + e^3) = 3.4076059644443806, <q, x> = 0.7 + 0.9 = 1.6
    assert_close(st.cross_entropy(x, a.mix(b, 0.7)), 1.8076059644443804, ulps=4)
    smooth = a.mix(b, 0.7).smooth(0.1)
    assert_close(st.cross_entropy(x, smooth), 1.7676059644443804, ulps=4)


def test_shapes_of_lam(backend: Variant) -> None:
    """lam is one number, a 0-d array, one per row, or one per row with an axis of size 1 (T36)."""
    a, b = pair(backend)
    one_a, one_b = np.eye(3)[A], np.eye(3)[B]
    per_row = np.array([0.25, 0.5, 1.0])
    for lam, rows in (
        (0.25, np.full(3, 0.25)),
        (0, np.zeros(3)),
        (backend.asarray(0.25, "float32"), np.full(3, 0.25)),
        (backend.asarray(per_row, "float32"), per_row),
        (backend.asarray(per_row[:, None], "float32"), per_row),
    ):
        expected = rows[:, None] * one_a + (1 - rows[:, None]) * one_b
        assert_close(a.mix(b, lam).to_dense(), expected, ulps=0)
        assert_same_bits(st.mix(a, b, lam).to_dense(), a.mix(b, lam).to_dense())
    for dtype in backend.dtypes:
        lam = backend.asarray(per_row, dtype)
        assert_close(a.mix(b, lam).mass(), [1.0] * 3, ulps=0)


def test_lam_of_rows_with_two_axes(backend: Variant) -> None:
    """One lam per row has the shape of the rows, however many axes they have (T36)."""
    y = np.array([A, B])
    a, b = (st.Targets.from_labels(backend.asarray(labels), 3) for labels in (y, y[::-1]))
    lam = np.array([[0.25, 0.5, 1.0], [0.0, 0.75, 0.125]])
    expected = lam[..., None] * np.eye(3)[y] + (1 - lam[..., None]) * np.eye(3)[y[::-1]]
    for given in (lam, lam[..., None]):
        mixed = a.mix(b, backend.asarray(given, "float32"))
        assert_close(mixed.to_dense(), expected, ulps=0)


@pytest.mark.parametrize("spread", ["all", "others"])
def test_smoothing_and_mixing_commute(backend: Variant, spread: str) -> None:
    """Smoothing a mixture equals mixing what is smoothed (T36)."""
    a, b = pair(backend)
    lam = backend.asarray([0.25, 0.5, 0.875], "float32")
    prior = backend.asarray([0.5, 0.25, 0.25], "float32")
    for words in ({}, {"prior": prior}):
        first = dense(backend, a.mix(b, lam).smooth(0.3, spread=spread, **words))
        second = dense(
            backend,
            a.smooth(0.3, spread=spread, **words).mix(b.smooth(0.3, spread=spread, **words), lam),
        )
        eps = {"float32": 2.0**-23, "float64": 2.0**-52}[backend.dtypes[-1]]
        np.testing.assert_allclose(first, second, rtol=0, atol=2 * eps)
        np.testing.assert_allclose(first.sum(axis=1), 1, atol=4 * eps)


def test_pairing_by_any_permutation(backend: Variant) -> None:
    """A batch of odd size is paired with itself in any order of its rows (T36)."""
    a, _ = pair(backend)
    for order in ([2, 1, 0], [1, 2, 0], [0, 0, 0]):  # flip, roll, and no permutation at all
        mixed = a.mix(a[backend.asarray(order)], 0.75)
        expected = 0.75 * np.eye(3)[A] + 0.25 * np.eye(3)[np.array(A)[order]]
        assert_close(mixed.to_dense(), expected, ulps=0)


def test_equal_labels_accumulate(backend: Variant) -> None:
    """Two labels of one class add their masses, in targets and in the gradient (T37)."""
    a, b = pair(backend)
    mixed = a.mix(b, 0.75)
    assert dense(backend, mixed)[1].tolist() == [0.0, 0.0, 1.0]
    x = backend.asarray(X, "float32")
    loss, gradient = BOTH(x, mixed, reduction="none")
    alone, alone_gradient = BOTH(x, a, reduction="none")
    assert_close(loss[1], float(alone[1]), ulps=4)
    assert_close(gradient[1, :], backend.to_numpy(alone_gradient)[1], ulps=4, scale=1.0)


def test_mixture_equals_its_dense_rows(backend: Variant) -> None:
    """The loss of a mixture is that of the dense rows it stands for (T37)."""
    a, b = pair(backend)
    mixed = a.smooth(0.25).mix(b, backend.asarray([0.25, 0.5, 0.875], "float32"))
    rows = st.Targets.from_distributions(mixed.to_dense(dtype=backend.xp.float32))
    x = backend.asarray(X, "float32")
    weight = backend.asarray([1.0, 2.0, 0.5], "float32")
    for reduction in ("none", "sum"):
        ours = BOTH(x, mixed, class_weight=weight, reduction=reduction)
        expected = BOTH(x, rows, class_weight=weight, reduction=reduction)
        assert_close(ours[0], backend.to_numpy(expected[0]), ulps=8, scale=4.0)
        assert_close(ours[1], backend.to_numpy(expected[1]), ulps=8, scale=2.0)


def test_mixing_is_linear(backend: Variant) -> None:
    """The summed loss of a mixture is the mixture of the losses, ignored labels included."""
    a = st.Targets.from_labels(backend.asarray([0, -100, 1]), 3)
    b = st.Targets.from_labels(backend.asarray([2, 2, -100]), 3).smooth(0.25)
    x = backend.asarray(X, "float32")
    words = {
        "class_weight": backend.asarray([1.0, 2.0, 0.5], "float32"),
        "sample_weight": backend.asarray([1.0, 0.5, 2.0], "float32"),
        "reduction": "sum",
        "z_loss": 0.125,
        "confidence_penalty": 0.25,
    }
    parts = [BOTH(x, t, **words) for t in (a, b)]
    mixed = BOTH(x, a.mix(b, 0.75), **words)
    expected = [
        0.75 * backend.to_numpy(p) + 0.25 * backend.to_numpy(q) for p, q in zip(*parts, strict=True)
    ]
    assert_close(mixed[0], expected[0], ulps=8)
    assert_close(mixed[1], expected[1], ulps=8, scale=2.0)


def test_rows_that_both_sides_ignore(backend: Variant) -> None:
    """A row is left out where all its labels are ignored, and counts in part where one is."""
    a = st.Targets.from_labels(backend.asarray([0, -100, -100]), 3)
    b = st.Targets.from_labels(backend.asarray([2, 2, -100]), 3)
    mixed = a.mix(b, 0.75)
    assert_close(mixed.mass(), [1.0, 0.25, 0.0], ulps=0)
    holding = [X[0], X[1], [np.nan, np.inf, -np.inf]]
    loss, gradient = BOTH(backend.asarray(holding, "float32"), mixed)
    x = np.array(X)
    losses = np.log(np.sum(np.exp(x), axis=1)) - [0.75 * x[0, 0] + 0.25 * x[0, 2], x[1, 2], 0.0]
    assert_close(loss, float((losses[0] + 0.25 * losses[1]) / 1.25), ulps=4, scale=2.0)
    assert np.all(backend.to_numpy(gradient)[2] == 0)


def test_mixtures_of_weighted_targets(backend: Variant) -> None:
    """Mixtures keep class weights, which must be the same array on both sides."""
    weight = backend.asarray([1.0, 2.0, 4.0], "float32")
    a, b = pair(backend)
    mixed = a.weighted(weight).mix(b.weighted(weight), 0.75)
    expected = (0.75 * np.eye(3)[A] + 0.25 * np.eye(3)[B]) * [1.0, 2.0, 4.0]
    assert_close(mixed.to_dense(), expected, ulps=0)
    assert_same_bits(mixed.to_dense(), a.mix(b, 0.75).weighted(weight).to_dense())


def test_equal_class_weights_mix(backend: Variant) -> None:
    """Class weights in two arrays of equal values are the same weights, as far as one may look."""
    labels = backend.asarray([0, 2])
    first, second = (
        st.Targets.from_labels(labels, 3).weighted(backend.asarray([1.0, 2.0, 4.0], "float32"))
        for _ in range(2)
    )
    if not backend.may_look:
        with pytest.raises(ValueError, match="same class weights"):
            first.mix(second, 0.5)
        return
    mixed = backend.to_numpy(first.mix(second, 0.5).to_dense())
    np.testing.assert_array_equal(mixed, [[1.0, 0.0, 0.0], [0.0, 0.0, 4.0]])
