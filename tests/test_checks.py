"""Checks of arguments: what passes, what is converted, and what raises on which arrays."""

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets._array import checks, dtypes
from softtargets._array.namespaces import as_array, beside, is_number
from tests.backends import EPSILON, INTEGERS, Variant, assert_close, assert_follows, dtype_name

X = [[0.5, -1.25, 2.0], [-0.75, 3.0, 1.5]]


@pytest.mark.parametrize("value", [1.5, -0.1, -1e-9, math.nan, math.inf, -math.inf, 2])
def test_amounts_out_of_range(backend: Variant, value: float) -> None:
    """Numbers outside [0, 1] raise everywhere, arrays of them where looking is free (T26)."""
    x, labels = backend.asarray(X, "float32"), backend.asarray([0, 2])
    targets = st.Targets.from_labels(labels, 3)
    in_range = re.escape("label_smoothing must be in [0, 1], got ")
    for act in (
        lambda e: st.cross_entropy(x, labels, label_smoothing=e),
        lambda e: st.value_and_grad(st.cross_entropy)(x, labels, label_smoothing=e),
        lambda e: targets.smooth(e),
        lambda e: st.smooth_labels(labels, e, num_classes=3),
        lambda e: st.SoftmaxState.of(x, labels, label_smoothing=e),
    ):
        with pytest.raises(ValueError, match=rf"^{in_range}{value}$"):
            act(value)
        for array, position in (([0.5, value], r"\(1,\)"), (value, r"\(\)")):
            given = backend.asarray(array, "float32")
            if backend.may_look:
                with pytest.raises(ValueError, match=rf"^{in_range}.* at position {position}$"):
                    act(given)
    with pytest.raises(ValueError, match=rf"^lam must be in \[0, 1\], got {value}$"):
        targets.mix(targets, value)


@pytest.mark.parametrize("value", [True, False, "0.1", None, [0.1, 0.1], 0.1j, object()])
def test_things_that_are_no_amounts(backend: Variant, value: object) -> None:
    """Booleans, text and lists are no amounts, though Python would compute with some (T26)."""
    x, labels = backend.asarray(X, "float32"), backend.asarray([0, 2])
    received = repr(value) if isinstance(value, bool | str) else type(value).__name__
    for name in ("label_smoothing", "z_loss", "confidence_penalty"):
        message = f"{name} must be a number or an array, got {received}"
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            st.cross_entropy(x, labels, **{name: value})
    for dtype in ("bool", "int32", "complex64"):
        message = f"label_smoothing must have a real floating-point dtype, got {dtype}"
        with pytest.raises(TypeError, match=f"^{message}$"):
            st.cross_entropy(x, labels, label_smoothing=backend.asarray([0, 1], dtype))


def test_shapes_of_amounts(backend: Variant) -> None:
    """An array of amounts is 0-d or has the shape of the rows; nothing broadcasts."""
    x, labels = backend.asarray(X, "float32"), backend.asarray([0, 2])
    for shape in ((1,), (3,), (2, 1), (2, 3), (1, 2)):
        amount = backend.asarray(np.full(shape, 0.5), "float32")
        message = f"label_smoothing must have shape () or (2,), got {shape}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            st.cross_entropy(x, labels, label_smoothing=amount)
        message = f"z_loss must have shape (), got {shape}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            st.cross_entropy(x, labels, z_loss=amount)


@pytest.mark.parametrize("value", [0, 1, 0.25, np.float32(0.25), np.int8(1), Fraction(1, 4)])
def test_numbers(backend: Variant, value: Any) -> None:
    """Any real number of Python or NumPy is an amount, and becomes a float."""
    like = backend.asarray(X, "float32")
    amount = checks.check_fraction(backend.xp, value, "lam", like, "targets", [()])
    assert type(amount) is float
    assert amount == float(value)
    assert type(checks.check_penalty(backend.xp, value, "z_loss", like)) is float


def test_half_precision_amounts_are_promoted(backend: Variant) -> None:
    """Arrays of amounts keep their dtype, but half precision becomes float32."""
    like = backend.asarray(X, "float32")
    for dtype in backend.dtypes:
        given = backend.asarray([0.25, 0.5], dtype)
        amount = checks.check_fraction(backend.xp, given, "lam", like, "targets", [(2,)])
        wide = "float64" if dtype == "float64" else "float32"
        assert_follows(amount, given, dtype=wide)
        penalty = checks.check_penalty(backend.xp, backend.asarray(0.5, dtype), "z_loss", like)
        assert dtype_name(penalty) == wide


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["class_weight", "sample_weight"])
def test_weights_out_of_range(backend: Variant, name: str, value: float) -> None:
    """Weights below 0, nan and infinite raise where looking is free."""
    x, labels = backend.asarray(X, "float32"), backend.asarray([0, 2])
    data = [1.0, value, 1.0] if name == "class_weight" else [1.0, value]
    words = {name: backend.asarray(data, "float32")}
    if backend.may_look:
        message = rf"^{name} must be finite and at least 0, got {value} at position \(1,\)$"
        with pytest.raises(ValueError, match=message):
            st.cross_entropy(x, labels, **words)
    else:
        st.cross_entropy(x, labels, **words)


def test_first_bad_entry_is_named(backend: Variant) -> None:
    """The error shows the first bad entry and its index, or nothing where nobody may look."""
    data = np.arange(24.0).reshape(2, 3, 4)
    array = backend.asarray(data, "float32")
    for first in (0, 7, 23):
        bad = array >= first
        if not backend.may_look:
            checks.check_values(backend.xp, array, "x", "be small", bad)
            continue
        where = tuple(int(i) for i in np.unravel_index(first, data.shape))
        message = f"x must be small, got {float(first)} at position {where}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            checks.check_values(backend.xp, array, "x", "be small", bad)
    checks.check_values(backend.xp, array, "x", "be small", array > 23)


def test_unknown_number_of_rows(backend: Variant) -> None:
    """Rows that Dask took by a mask are refused until their number is known."""
    if backend.row != "dask":
        pytest.skip(f"{backend.name}: shapes are always known")
    x, labels = backend.asarray(X, "float32"), backend.asarray([0, 2])
    mask = backend.asarray([True, False])
    message = "logits must have a known shape (compute_chunk_sizes finds it), got (nan, 3)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        st.cross_entropy(x[mask], labels[mask])
    known = x[mask].compute_chunk_sizes(), labels[mask].compute_chunk_sizes()
    assert_close(st.cross_entropy(*known), float(st.cross_entropy(x[:1, :], labels[:1])), ulps=0)


def test_integers_in_messages(backend: Variant) -> None:
    """A bad integer is shown as one, whatever its width."""
    if not backend.may_look:
        pytest.skip(f"{backend.name}: values are never looked at")
    for dtype in backend.int_dtypes:
        labels = backend.asarray([1, 100], dtype)
        with pytest.raises(ValueError, match=r"got 100 at position \(1,\)$"):
            checks.check_labels(labels, 3, -100, "labels")


def test_labels_are_made_safe(backend: Variant) -> None:
    """Labels come back as indices within range, with masks of kept and of bad ones."""
    for dtype in backend.int_dtypes:
        index, kept, bad = checks.check_labels(backend.asarray([2, 1, 0], dtype), 3, 1, "labels")
        assert dtype_name(index) == ("int64" if backend.wide else "int32")
        assert backend.to_numpy(kept).tolist() == [True, False, True]
        values = backend.to_numpy(index).tolist()
        assert (values[0], values[2]) == (2, 0)
        assert 0 <= values[1] < 3
        if backend.may_look:
            assert bad is None
            *_, kept, _ = checks.check_labels(backend.asarray([2, 1], dtype), 3, -100, "labels")
            assert kept is None
        else:
            assert not backend.to_numpy(bad).any()


def test_integers() -> None:
    """Counts and indices are integers of Python or NumPy, but neither booleans nor arrays."""
    assert checks.check_int(-3, "ignore_index") == -3
    assert checks.check_count(1, "num_classes") == 1
    for value in (np.int64(3), np.uint8(3)):
        assert checks.check_count(value, "num_classes") == 3
        assert type(checks.check_int(value, "ignore_index")) is int
    for bad in (True, 3.0, "3", None, np.array(3), np.True_, np.float64(3)):
        message = f"^num_classes must be an int, got {type(bad).__name__}$"
        with pytest.raises(TypeError, match=message):
            checks.check_count(bad, "num_classes")
    with pytest.raises(ValueError, match=r"^num_classes must be at least 1, got -2$"):
        checks.check_count(-2, "num_classes")


def test_plain_numbers() -> None:
    """Real numbers are numbers; booleans, text and arrays are not."""
    for value in (1, 0.5, np.float16(1), np.int8(1), Fraction(1, 2), math.inf):
        assert is_number(value)
    for value in (True, np.True_, "1", 1j, None, np.array(1.0), [1]):
        assert not is_number(value)


def test_names_of_dtypes(backend: Variant) -> None:
    """Dtypes have the same names in every library."""
    for name in (*backend.dtypes, *backend.int_dtypes, "bool"):
        assert dtypes.dtype_name(backend.asarray([0, 1], name)) == name
    assert set(INTEGERS) == dtypes.INTEGER
    assert dtypes.dtype_name(np.array("x")) == "<U1"


def test_compute_dtypes(backend: Variant) -> None:
    """float64 is computed as it is, everything else in float32."""
    for name in backend.dtypes:
        wide = backend.xp.zeros(
            1, dtype=dtypes.compute_dtype(backend.xp, backend.asarray([0], name))
        )
        assert dtype_name(wide) == ("float64" if name == "float64" else "float32")
    assert dtypes.EPSILON == EPSILON
    assert dtypes.MAXIMUM["float32"] == np.finfo(np.float32).max
    assert dtypes.MAXIMUM["float64"] == np.finfo(np.float64).max


def test_arrays_beside_arrays(backend: Variant) -> None:
    """Numbers become arrays beside another, arrays of the right dtype stay what they are."""
    like = backend.asarray(X, "float32")
    made = as_array(backend.xp, 0.5, like.dtype, like)
    assert_follows(made, like)
    assert_close(made, 0.5, ulps=0)
    assert as_array(backend.xp, like, like.dtype, like) is like
    assert dtype_name(as_array(backend.xp, backend.asarray([1]), like.dtype, like)) == "float32"
    zeros = backend.xp.zeros((2,), dtype=like.dtype, **beside(like))
    assert_follows(zeros, like)
