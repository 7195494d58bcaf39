"""Labels, distributions, their ranges, shapes and dtypes (traps T25 to T32)."""

import math
import re
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import EPSILON, Variant, assert_close, assert_follows, assert_same_bits

BOTH = st.value_and_grad(st.cross_entropy)
X = [[0.5, -1.25, 2.0, 0.25], [-0.75, 3.0, 1.5, -2.5], [0.125, 0.25, -0.375, 1.0]]


def block(shape: tuple[int, ...]) -> Any:
    """Return fixed logits of any shape, exact in float32."""
    return np.sin(np.arange(math.prod(shape)) * 1.7).astype(np.float32).reshape(shape) * 3


@pytest.mark.parametrize("bad", [4, -1, -5, 1000])
@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_label_out_of_range(backend: Variant, bad: int, epsilon: float) -> None:
    """A bad label raises, or makes its row nan where nobody may look; it never wraps (T25)."""
    x, labels = backend.asarray(X, "float32"), backend.asarray([2, bad, 3])
    words: dict[str, Any] = {"label_smoothing": epsilon, "z_loss": 0.1, "reduction": "none"}
    if backend.may_look:
        rule = f"be in [0, 4) or ignore_index -100, got {bad} at position (1,)"
        with pytest.raises(ValueError, match=re.escape(f"targets must {rule}") + "$"):
            BOTH(x, labels, **words)
        with pytest.raises(ValueError, match=re.escape(f"labels must {rule}") + "$"):
            st.Targets.from_labels(labels, 4)
        with pytest.raises(ValueError, match=re.escape(f"labels must {rule}") + "$"):
            st.one_hot(labels, 4)
        return
    good = BOTH(x, backend.asarray([2, 0, 3]), **words)
    for ours, right in zip(BOTH(x, labels, **words), good, strict=True):
        expected = backend.to_numpy(right).copy()
        expected[1] = math.nan
        assert_close(ours, expected, ulps=0)
    loss, gradient = BOTH(x, labels, **(words | {"reduction": "mean"}))
    assert_close(loss, math.nan, ulps=0)
    assert np.all(np.isnan(backend.to_numpy(gradient)))


def test_measures_of_a_bad_label_nobody_may_look_at(backend: Variant) -> None:
    """The dense row, mass, entropy and inner product of a bad label are nan (T25)."""
    if backend.may_look:
        pytest.skip(f"{backend.name}: raises, as test_label_out_of_range says")
    labels = backend.asarray([2, 4])
    nan = math.nan
    assert_close(st.one_hot(labels, 3), [[0.0, 0.0, 1.0], [nan] * 3], ulps=0)
    targets = st.Targets.from_labels(labels, 3)
    assert_close(targets.mass(), [1.0, nan], ulps=0)
    assert_close(targets.entropy(), [0.0, nan], ulps=0)
    assert_close(targets.dot(backend.asarray([[1.0, 2.0, 3.0]] * 2)), [3.0, nan], ulps=0)


@pytest.mark.parametrize("where", ["vector", "rows"])
@pytest.mark.parametrize("dense", [False, True])
def test_label_on_a_masked_class(backend: Variant, dense: bool, where: str) -> None:
    """Target mass on a masked class raises, or makes its row nan where nobody may look."""
    x, labels = backend.asarray(X, "float32"), backend.asarray([2, 1, 3])
    mask = np.array([True, False, True, True])
    class_mask = backend.asarray(mask if where == "vector" else np.broadcast_to(mask, (3, 4)))
    targets = st.one_hot(labels, 4, dtype=backend.xp.float32) if dense else labels
    words = {"class_mask": class_mask, "label_smoothing": 0.1, "reduction": "none"}
    if backend.may_look:
        rule = "targets must name classes that class_mask keeps, got 1 at position (1,)"
        if dense:
            rule = "targets must be 0 on classes that class_mask drops, got 1.0 at position (1, 1)"
        with pytest.raises(ValueError, match=re.escape(rule) + "$"):
            st.cross_entropy(x, targets, **words)
        return
    loss, gradient = (backend.to_numpy(a) for a in BOTH(x, targets, **words))
    assert np.isnan(loss).tolist() == [False, True, False]
    assert np.isnan(gradient).tolist() == [[False] * 4, [True] * 4, [False] * 4]


@pytest.mark.parametrize("spread", ["all", "others"])
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
def test_a_single_class(backend: Variant, epsilon: float, spread: str) -> None:
    """With one class, loss and gradient are 0 for every amount of smoothing (T27)."""
    x, prior = backend.asarray([[3.25], [-1e30]], "float32"), backend.asarray([1.0], "float32")
    for given in (None, prior, prior[None, :]):
        words = {"label_smoothing": epsilon, "spread": spread, "prior": given}
        loss, gradient = BOTH(x, backend.asarray([0, 0]), reduction="none", **words)
        assert_close(loss, [0.0, 0.0], ulps=0)
        assert_close(gradient, [[0.0], [0.0]], ulps=0)
        targets = st.Targets.from_labels(backend.asarray([0]), 1).smooth(
            epsilon, spread=spread, prior=given
        )
        assert_close(targets.to_dense(), [[1.0]], ulps=0)


@pytest.mark.parametrize("length", [3, 4])
@pytest.mark.parametrize("axis", [1, -2])
def test_class_axis_in_the_middle(backend: Variant, axis: int, length: int) -> None:
    """Logits (N, C, d) with axis=1 equal their transpose, also where C = d (T28)."""
    x = block((2, 4, length))
    labels = (np.arange(2 * length) % 4).reshape(2, length)
    words = {"label_smoothing": 0.1, "reduction": "none"}
    loss, gradient = BOTH(backend.asarray(x), backend.asarray(labels), axis=axis, **words)
    last = backend.asarray(np.moveaxis(x, 1, -1))
    expected, expected_gradient = BOTH(last, backend.asarray(labels), **words)
    assert_same_bits(loss, expected)
    assert_same_bits(gradient, backend.xp.moveaxis(expected_gradient, -1, 1))
    q = st.smooth_labels(backend.asarray(labels), 0.1, num_classes=4, axis=axis)
    assert tuple(q.shape) == x.shape
    q = backend.xp.astype(q, backend.xp.float32)
    soft, soft_gradient = BOTH(backend.asarray(x), q, axis=axis, reduction="none")
    assert_close(soft, backend.to_numpy(expected), ulps=16, scale=2.0)
    assert_close(soft_gradient, backend.to_numpy(gradient), ulps=4, scale=1.0)


def test_class_axis_in_front(backend: Variant) -> None:
    """Logits (K, N) with axis=0 equal their transpose (T28)."""
    x, labels = np.array(X, np.float32), backend.asarray([2, 0, 3])
    ours = BOTH(backend.asarray(x.T), labels, axis=0, label_smoothing=0.1)
    loss, gradient = BOTH(backend.asarray(x), labels, label_smoothing=0.1)
    # Not the same bits: Dask cuts the classes of one and the rows of the other into chunks.
    assert_close(ours[0], backend.to_numpy(loss), ulps=4, scale=1.0)
    assert_close(ours[1], backend.to_numpy(gradient).T, ulps=4, scale=1.0)


@pytest.mark.parametrize("steps", [3, 4])
def test_rows_of_any_shape(backend: Variant, steps: int) -> None:
    """Logits (B, T, C) with labels (B, T) equal the flattened call, also where T = C (T29)."""
    x, labels = block((2, steps, 4)), (np.arange(2 * steps) % 4).reshape(2, steps)
    for reduction in ("none", "mean"):
        loss, gradient = BOTH(
            backend.asarray(x), backend.asarray(labels), label_smoothing=0.1, reduction=reduction
        )
        flat, flat_gradient = BOTH(
            backend.asarray(x.reshape(-1, 4)),
            backend.asarray(labels.ravel()),
            label_smoothing=0.1,
            reduction=reduction,
        )
        shape = (2, steps) if reduction == "none" else ()
        assert_same_bits(loss, backend.xp.reshape(flat, shape))
        assert_same_bits(gradient, backend.xp.reshape(flat_gradient, x.shape))


def test_a_single_row(backend: Variant) -> None:
    """Logits (K,) take one label, or one distribution, without an axis of rows."""
    x = backend.asarray(X[0], "float32")
    (row,) = BOTH(backend.asarray(X[:1], "float32"), backend.asarray([2]), label_smoothing=0.1)[1:]
    for targets in (
        backend.asarray(2),
        backend.asarray([0.0, 0.0, 1.0, 0.0], "float32"),
        st.Targets.from_labels(backend.asarray(2), 4),
    ):
        for reduction in ("mean", "sum", "none"):
            loss, gradient = BOTH(x, targets, label_smoothing=0.1, reduction=reduction)
            assert tuple(loss.shape) == ()
            assert_close(gradient, backend.to_numpy(row)[0], ulps=2, scale=1.0)


@pytest.mark.parametrize(
    "shape", [(4,), (1, 4), (3, 1), (2,), (1,), (), (4, 3), (3, 4, 1), (1, 3), (3, 3)]
)
def test_targets_never_broadcast(backend: Variant, shape: tuple[int, ...]) -> None:
    """Distributions and labels of any other shape are refused (T30)."""
    x = backend.asarray(X, "float32")
    rule = "targets must have shape (3,) for labels or (3, 4) for distributions"
    for dtype in ("float32", "int32"):
        received = f"got {shape} [logits: (3, 4), axis: -1]"
        with pytest.raises(ValueError, match=re.escape(f"{rule}, {received}") + "$"):
            st.cross_entropy(x, backend.asarray(np.zeros(shape), dtype))


def test_integer_rows_are_refused(backend: Variant) -> None:
    """Integers of the shape of the logits are refused: one-hot rows are floats (T30)."""
    rule = "targets must have shape (3,) for integer labels; integer one-hot rows must be floats"
    with pytest.raises(
        ValueError, match=re.escape(f"{rule}, got (3, 4) [logits: (3, 4), axis: -1]")
    ):
        st.cross_entropy(backend.asarray(X), backend.asarray(np.eye(4, dtype=np.int64)[[2, 0, 3]]))


def test_label_dtypes(backend: Variant) -> None:
    """Every width of integers gives the same bits (T31)."""
    x = backend.asarray(X, "float32")
    results = [
        BOTH(x, backend.asarray([2, 0, 3], dtype), label_smoothing=0.1)
        for dtype in backend.int_dtypes
    ]
    for loss, gradient in results:
        assert_same_bits(loss, results[0][0])
        assert_same_bits(gradient, results[0][1])
        assert_follows(gradient, x)


@pytest.mark.parametrize("dtype", ["bool", "float32", "complex64"])
def test_labels_of_other_dtypes_are_refused(backend: Variant, dtype: str) -> None:
    """Labels are integers; booleans and floats of their shape are refused (T31)."""
    x, labels = backend.asarray(X, "float32"), backend.asarray(np.ones(3), dtype)
    rule = "be integer labels or real floating distributions"
    context = ""
    if dtype == "float32":
        rule = "have an integer dtype for labels (one_hot makes distributions of them)"
        context = " [logits: (3, 4), axis: -1]"
    with pytest.raises(TypeError, match=re.escape(f"targets must {rule}, got {dtype}{context}")):
        st.cross_entropy(x, labels)
    message = re.escape(f"labels must have an integer dtype, got {dtype}") + "$"
    with pytest.raises(TypeError, match=message):
        st.Targets.from_labels(labels, 4)
    with pytest.raises(TypeError, match=message):
        st.one_hot(labels, 4)


@pytest.mark.parametrize(
    ("dtype", "value", "ignore_index"),
    [
        ("uint8", 156, -100),
        ("int8", -1, 255),
        ("uint32", 2**32 - 100, -100),
        ("uint64", 2**64 - 100, -100),
    ],
)
def test_labels_are_not_ignored_by_wrapping(
    backend: Variant, dtype: str, value: int, ignore_index: int
) -> None:
    """A label is ignored where it equals ignore_index as a number, not in some width (T31)."""
    if dtype not in backend.int_dtypes:
        pytest.skip(f"{backend.name} has no {dtype}")
    data = np.array([value, 1], dtype)
    if value == 156:
        rows = st.one_hot(backend.asarray(data), 200, ignore_index=ignore_index)
        assert np.argmax(backend.to_numpy(rows), axis=1).tolist() == [156, 1]
    elif backend.may_look:
        with pytest.raises(ValueError, match=rf"got {value} at position \(0,\)$"):
            st.one_hot(backend.asarray(data), 200, ignore_index=ignore_index)
    else:
        rows = backend.to_numpy(st.one_hot(backend.asarray(data), 200, ignore_index=ignore_index))
        assert np.isnan(rows).all(axis=1).tolist() == [True, False]


def test_mixed_precisions(backend: Variant) -> None:
    """Other floats are brought to the dtype of the logits, and the result has it (T31)."""
    x, labels, wide = backend.asarray(X, "float32"), backend.asarray([2, 0, 3]), backend.dtypes[-1]
    words = {
        "class_weight": [1.0, 2.0, 0.5, 4.0],
        "sample_weight": [1.0, 0.5, 2.0],
        "prior": [0.25, 0.25, 0.5, 0.0],
        "label_smoothing": [0.5, 0.25, 0.0],
    }
    same = BOTH(x, labels, **{name: backend.asarray(v, "float32") for name, v in words.items()})
    other = BOTH(x, labels, **{name: backend.asarray(v, wide) for name, v in words.items()})
    for ours, expected in zip(other, same, strict=True):
        assert_same_bits(ours, expected)


FINITE = "targets must be finite and at least 0"
TO_ONE = "rows of targets must sum to 1"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1.5, -0.5, 0.0, 0.0], f"{FINITE}, got -0.5 at position (1, 1)"),
        ([math.nan, 1.0, 0.0, 0.0], f"{FINITE}, got nan at position (1, 0)"),
        ([0.0, 0.0, 0.0, math.inf], f"{FINITE}, got inf at position (1, 3)"),
        ([0.5, 0.0, 0.25, 0.0], f"{TO_ONE}, got 0.75 at position (1,)"),
        ([0.0, 0.0, 0.0, 0.0], f"{TO_ONE}, got 0.0 at position (1,)"),
    ],
)
def test_rows_that_are_no_distributions(backend: Variant, row: list[float], message: str) -> None:
    """Negative entries and rows that do not sum to 1 raise where looking is free (T32)."""
    good = [0.25, 0.25, 0.5, 0.0]
    q = backend.asarray([good, row, good], "float32")
    x, where = backend.asarray(X, "float32"), backend.asarray([True, False, True])
    masked = st.cross_entropy(x, q, where=where)
    assert np.isfinite(backend.to_numpy(masked))
    unchecked = st.Targets.from_distributions(q, check=False)
    assert tuple(unchecked.shape) == (3, 4)
    if backend.may_look:
        with pytest.raises(ValueError, match=re.escape(message) + "$"):
            st.cross_entropy(x, q)
        with pytest.raises(ValueError, match=re.escape(message.replace("targets", "q")) + "$"):
            st.Targets.from_distributions(q)


def test_rows_that_almost_sum_to_one(backend: Variant) -> None:
    """Rows may miss 1 by the square root of the machine epsilon of their dtype (T32)."""
    for dtype in backend.dtypes:
        tolerance = EPSILON[dtype] ** 0.5
        near = st.Targets.from_distributions(backend.asarray([[0.5 + tolerance / 2, 0.5]], dtype))
        assert 1 < backend.to_numpy(near.mass())[0] < 1 + tolerance
        if backend.may_look:
            far = backend.asarray([[0.5 + 2 * tolerance, 0.5]], dtype)
            with pytest.raises(ValueError, match=r"^rows of q must sum to 1, got 1\.\d+ at"):
                st.Targets.from_distributions(far)
