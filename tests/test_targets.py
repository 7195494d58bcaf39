"""The Targets value: its shape, its rows, its dense form and what is computed of it alone."""

import math
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits, dtype_name

Q = [[0.5, 0.25, 0.25, 0.0], [0.0, 1.0, 0.0, 0.0], [0.125, 0.125, 0.5, 0.25]]
LABELS = [2, 0, 3]


def kinds(backend: Variant) -> dict[str, st.Targets]:
    """Return targets of shape (3, 4) of every kind, and structures made of them."""
    labels = st.Targets.from_labels(backend.asarray(LABELS), 4)
    dense = st.Targets.from_distributions(backend.asarray(Q, "float32"))
    top = backend.asarray([[2, 1], [0, -100], [3, 0]])
    weights = backend.asarray([[0.5, 0.25], [0.75, 0.0], [0.5, 0.5]], "float32")
    prior = backend.asarray([0.5, 0.25, 0.25, 0.0], "float32")
    per_row = backend.asarray([0.25, 0.0, 0.5], "float32")
    lam = backend.asarray([0.25, 1.0, 0.5], "float32")
    return {
        "labels": labels,
        "dense": dense,
        "drop": st.Targets.from_top_k(top, weights, 4, tail="drop"),
        "renormalize": st.Targets.from_top_k(top, weights, 4, tail="renormalize"),
        "smoothed": labels.smooth(0.5),
        "smoothed per row": labels.smooth(per_row, prior=prior),
        "others": dense.smooth(per_row, spread="others"),
        "per class": dense.smooth(per_class=prior),
        "mixed": labels.mix(dense.smooth(0.5), lam),
        "weighted": labels.smooth(0.5).weighted(prior),
    }


NAMES = list(kinds(Variant("numpy", "numpy")))


@pytest.mark.parametrize("name", NAMES)
def test_shape(backend: Variant, name: str) -> None:
    """Targets know their shape, rows and classes, and say what they hold."""
    targets = kinds(backend)[name]
    assert targets.shape == (3, 4)
    assert targets.row_shape == (3,)
    assert targets.num_classes == 4
    assert len(targets) == 3
    assert repr(targets).startswith("Targets(shape=(3, 4): ")


def test_repr(backend: Variant) -> None:
    """The repr names the parts, their priors and class weights, and never shows values."""
    targets = kinds(backend)
    assert {name: repr(value).partition(": ")[2] for name, value in targets.items()} == {
        "labels": "labels)",
        "dense": "dense)",
        "drop": "labels)",
        "renormalize": "labels)",
        "smoothed": "labels + uniform over all)",
        "smoothed per row": "labels + prior (4,) over all)",
        "others": "dense + uniform over others)",
        "per class": "dense + uniform over all)",
        "mixed": "labels, dense + uniform over all)",
        "weighted": "labels + uniform over all, class weights)",
    }


@pytest.mark.parametrize("name", NAMES)
def test_rows_can_be_taken(backend: Variant, name: str) -> None:
    """Indexing takes rows: an integer, a slice, an ellipsis or an array of indices."""
    targets = kinds(backend)[name]
    dense = backend.to_numpy(targets.to_dense(dtype=backend.xp.float32))
    indices: list[Any] = [0, -1, slice(1, None), slice(None, None, 2), ...]
    for index in indices:
        part = targets[index]
        assert part.shape == dense[index].shape
        np.testing.assert_array_equal(
            backend.to_numpy(part.to_dense(dtype=backend.xp.float32)), dense[index]
        )
    order = np.array([2, 0, 2, 1])
    taken = targets[backend.asarray(order)]
    np.testing.assert_array_equal(
        backend.to_numpy(taken.to_dense(dtype=backend.xp.float32)), dense[order]
    )


def test_rows_by_a_mask(backend: Variant) -> None:
    """A boolean mask takes rows where the library has such indexing."""
    if backend.row == "array_api_strict":
        pytest.skip(f"{backend.name}: boolean indexing is switched off")
    mask = np.array([True, False, True])
    for targets in kinds(backend).values():
        if backend.row == "dask":
            continue  # the number of rows would not be known
        taken = targets[backend.asarray(mask)]
        assert taken.shape == (2, 4)
        dense = backend.to_numpy(targets.to_dense(dtype=backend.xp.float32))
        ours = backend.to_numpy(taken.to_dense(dtype=backend.xp.float32))
        np.testing.assert_array_equal(ours, dense[mask])


def test_rows_of_several_axes(backend: Variant) -> None:
    """Rows with two axes are indexed as arrays are, amounts of every shape included."""
    labels = backend.asarray(np.array([[2, 0, 3], [1, 1, 0]]))
    amount = backend.asarray(np.array([[0.0, 0.25, 0.5], [0.75, 1.0, 0.5]]), "float32")
    per_class = backend.asarray([0.0, 0.25, 0.5, 1.0], "float32")
    q = backend.asarray(np.array([Q, Q]), "float32")
    for targets in (
        st.Targets.from_labels(labels, 4).smooth(amount),
        st.Targets.from_labels(labels, 4).smooth(per_class=per_class),
        st.Targets.from_distributions(q).smooth(per_class=per_class),
        st.Targets.from_distributions(q).mix(st.Targets.from_labels(labels, 4), amount),
    ):
        dense = backend.to_numpy(targets.to_dense(dtype=backend.xp.float32))
        indices: list[Any] = [1, (0, 2), (slice(None), 1), (..., slice(None, 2)), slice(1, 2)]
        for index in indices:
            part = targets[index]
            key = (*index, slice(None)) if isinstance(index, tuple) else index
            assert part.shape == dense[key].shape
            ours = backend.to_numpy(part.to_dense(dtype=backend.xp.float32))
            np.testing.assert_array_equal(ours, dense[key])
        assert len(targets) == 2


def test_a_single_row_has_no_rows(backend: Variant) -> None:
    """The target of one row can be measured, but neither counted nor indexed."""
    row = st.Targets.from_labels(backend.asarray(1), 3)
    assert row.shape == (3,)
    assert_close(row.to_dense(dtype=backend.xp.float32), [0.0, 1.0, 0.0], ulps=0)
    assert tuple(row.mass().shape) == ()
    for act, what in ((len, "counted"), (lambda t: t[0], "indexed")):
        message = f"^targets must have rows to be {what}, got the target of a single row$"
        with pytest.raises(TypeError, match=message):
            act(row)


def test_dense_form(backend: Variant) -> None:
    """The dense form has the classes where asked, and the dtype asked for or of dense rows."""
    targets = st.Targets.from_labels(backend.asarray(np.array([[2, 0], [1, 1]])), 3)
    expected = np.eye(3)[[[2, 0], [1, 1]]]
    for axis in (-1, 2, 1, 0, -3):
        for dtype in backend.dtypes:
            dense = targets.to_dense(dtype=backend.asarray([0], dtype).dtype, axis=axis)
            assert_follows(dense, backend.asarray([0], dtype))
            assert_close(dense, np.moveaxis(expected, -1, axis), ulps=0)
    wanted = (
        "float64" if backend.row not in ("torch", "jax") or "x64" in backend.name else "float32"
    )
    assert dtype_name(targets.to_dense()) == wanted
    for dtype in backend.dtypes:
        held = st.Targets.from_distributions(backend.asarray(Q, dtype))
        assert_same_bits(held.to_dense(), backend.asarray(Q, dtype))


def test_dense_rows_keep_their_order(backend: Variant) -> None:
    """Distributions with another class axis are the same targets."""
    q = np.array([Q, Q[::-1]])
    for axis in (0, 1, -1):
        moved = backend.asarray(np.moveaxis(q, -1, axis), "float32")
        targets = st.Targets.from_distributions(moved, axis=axis)
        assert targets.shape == (2, 3, 4)
        assert_same_bits(targets.to_dense(axis=axis), moved)


@pytest.mark.parametrize("name", NAMES)
def test_measures_agree_with_the_dense_form(backend: Variant, name: str) -> None:
    """Mass, entropy and inner product are those of the dense rows."""
    targets = kinds(backend)[name]
    a = backend.to_numpy(targets.to_dense(dtype=backend.xp.float32)).astype(np.float64)
    x = np.array([[1.0, -2.0, 0.5, 4.0], [0.0, 3.0, 1.0, -1.0], [2.0, 2.0, -8.0, 0.25]])
    assert_close(targets.mass(), a.sum(axis=1), ulps=4, dtype="float32")
    entropy = -np.sum(a * np.log(np.where(a > 0, a, 1.0)), axis=1)
    assert_close(targets.entropy(), entropy, ulps=4, scale=0.5, dtype="float32")
    for dtype in backend.dtypes:
        dot = targets.dot(backend.asarray(x, dtype))
        assert dtype_name(dot) == ("float64" if dtype == "float64" else "float32")
        assert_close(dot, np.sum(a * x, axis=1), ulps=4, scale=4.0, dtype="float32")


def test_known_measures(backend: Variant) -> None:
    """Entropies of smoothed labels are their closed form, and ignored rows are 0."""
    labels = st.Targets.from_labels(backend.asarray([3, -100]), 10)
    assert_close(labels.entropy(), [0.0, 0.0], ulps=0)
    assert_close(labels.mass(), [1.0, 0.0], ulps=0)
    smooth = labels.smooth(0.1)
    floor = -(0.91 * math.log(0.91) + 9 * 0.01 * math.log(0.01))  # 0.5002880
    assert_close(smooth.entropy(), [floor, 0.0], ulps=8)
    assert_close(smooth.mass(), [1.0, 0.0], ulps=2)
    x = np.full((2, 10), -math.inf)
    x[0, 3] = 2.0
    assert_close(labels.dot(backend.asarray(x, "float32")), [2.0, 0.0], ulps=0)


def test_weights_multiply(backend: Variant) -> None:
    """Class weights scale q, of any real dtype, and twice means their product."""
    targets = st.Targets.from_labels(backend.asarray(LABELS), 4).smooth(0.5)
    once, again = backend.asarray([1, 0, 2, 4]), backend.asarray([0.5, 2.0, 1.0, 0.25], "float32")
    dense = backend.to_numpy(targets.to_dense(dtype=backend.xp.float32))
    weighted = targets.weighted(once)
    ours = weighted.to_dense(dtype=backend.xp.float32)
    assert_close(ours, dense * [1.0, 0.0, 2.0, 4.0], ulps=0)
    twice = weighted.weighted(again).to_dense(dtype=backend.xp.float32)
    assert_close(twice, dense * [0.5, 0.0, 2.0, 1.0], ulps=0)
    x = backend.asarray([[1.0, -2.0, 0.5, 4.0]] * 3, "float32")
    ours = st.cross_entropy(x, weighted, class_weight=again)
    product = backend.asarray([0.5, 0.0, 2.0, 1.0], "float32")
    assert_close(ours, float(st.cross_entropy(x, targets, class_weight=product)), ulps=4)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_changes_a_value(backend: Variant, name: str) -> None:
    """Methods return new targets and leave the old ones as they were."""
    targets = kinds(backend)[name]
    before = backend.to_numpy(targets.to_dense(dtype=backend.xp.float32)).copy()
    weight = backend.asarray([1.0, 2.0, 3.0, 4.0], "float32")
    assert targets.smooth(0.25) is not targets
    targets.weighted(weight), targets.mix(targets, 0.5), targets[1:]
    st.value_and_grad(st.cross_entropy)(backend.asarray(Q, "float32"), targets)
    after = backend.to_numpy(targets.to_dense(dtype=backend.xp.float32))
    np.testing.assert_array_equal(after, before)
    with pytest.raises(AttributeError):
        targets.num_classes = 5  # type: ignore[misc]


def test_memory_does_not_grow_with_the_classes(backend: Variant) -> None:
    """Labels, smoothed and mixed, hold a few numbers per row for any number of classes."""
    count = 10**9
    labels = st.Targets.from_labels(backend.asarray([2, 0, -100]), count)
    mixed = labels.smooth(0.1).mix(labels[backend.asarray([1, 2, 0])], 0.5)
    assert mixed.shape == (3, count)
    held = [a for part in mixed.parts for a in vars(part).values() if hasattr(a, "shape")]
    assert held
    assert sum(math.prod(array.shape) for array in held) <= 18  # label, kept, bad
    assert labels[1:].shape == (2, count)


def test_smoothed_labels_as_an_array(backend: Variant) -> None:
    """smooth_labels takes labels or distributions and gives their smoothed dense rows."""
    labels = backend.asarray(LABELS)
    expected = 0.75 * np.eye(4)[LABELS] + 0.0625
    for axis in (-1, 0):
        dense = st.smooth_labels(labels, 0.25, num_classes=4, axis=axis)
        assert_close(dense, np.moveaxis(expected, -1, axis), ulps=2)
    for dtype in backend.dtypes:
        given = backend.asarray(np.eye(4)[LABELS].T, dtype)
        dense = st.smooth_labels(given, 0.25, axis=0, num_classes=4)
        assert_follows(dense, given)
        assert_close(dense, expected.T, ulps=2)
