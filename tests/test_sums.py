"""Sums along rows and columns: accurate, and the same bits in pieces and on threads."""

import math
import warnings

import numpy as np
import pytest

import softtargets as st
from softtargets._array import pieces, sums
from tests.backends import Variant, assert_close, assert_same_bits

INF = math.inf


@pytest.mark.parametrize("shape", [(1, 9000), (1, 20_000), (2, 9000), (1, 3), (3, 0)])
def test_row_sums(backend: Variant, shape: tuple[int, int], rng: np.random.Generator) -> None:
    """Rows are added up, a single long one in pieces."""
    data = rng.integers(-8, 9, shape) / 4  # every partial sum is exact
    found = sums.row_sums(backend.xp, backend.asarray(data, "float32"))
    assert_close(found, data.sum(axis=1, keepdims=True), ulps=0)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_sums_in_a_fixed_order(backend: Variant, size: int, rng: np.random.Generator) -> None:
    """Halves are added in one order that gives the same bits on every backend."""
    data = rng.random((2, size)).astype(np.float32)
    ours = sums.ordered_sums(backend.xp, backend.asarray(data))
    assert_same_bits(ours, backend.asarray(backend.to_numpy(sums.ordered_sums(np, data))))
    assert_close(ours, data.astype(np.float64).sum(axis=1, keepdims=True), ulps=4)


def test_weighted_sums(backend: Variant) -> None:
    """Sums of products take 0 * inf for 0, and nothing else: nan stays, inf stays."""
    weight = backend.asarray([0.0, 1.0, 2.0], "float32")
    for values, want in (
        ([[1.0, 2.0, 3.0]], 8.0),
        ([[INF, 2.0, 3.0]], 8.0),
        ([[-INF, 2.0, 3.0]], 8.0),
        ([[INF, -INF, 3.0]], -INF),
        ([[1.0, math.nan, 3.0]], math.nan),
        ([[math.nan, 2.0, 3.0]], math.nan),
        ([[0.0, INF, -INF]], math.nan),
    ):
        with np.errstate(invalid="ignore"):
            found = sums.weighted_sums(backend.xp, weight, backend.asarray(values, "float32"))
            assert_close(found, [[want]], ulps=0)
    rows = backend.asarray([[0.0, 1.0, 2.0], [1.0, 0.0, 0.5]], "float32")
    values = backend.asarray([[-INF, 2.0, 3.0], [1.0, -INF, 3.0]], "float32")
    with np.errstate(invalid="ignore"):
        assert_close(sums.weighted_sums(backend.xp, rows, values), [[8.0], [2.5]], ulps=0)


@pytest.mark.parametrize("classes", [1, 511, 512, 513, 5000])
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_long_weighted_sums(classes: int, shared: bool, rng: np.random.Generator) -> None:
    """Inner products of NumPy's rows are accurate for any length, layout, and vector of all."""
    values = rng.random((3, classes)).astype(np.float32)
    weight = rng.random((1 if shared else 3, classes)).astype(np.float32)
    exact = (weight.astype(np.float64) * values).sum(axis=1, keepdims=True)
    for layout in (np.ascontiguousarray, np.asfortranarray):
        assert_close(sums.weighted_sums(np, layout(weight), layout(values)), exact, ulps=4)
    wide = sums.weighted_sums(np, weight.astype(np.float64), values)
    assert_close(wide, exact, ulps=4, dtype="float64")
    values[1, -1], weight[0, -1] = -INF, 0.0
    with np.errstate(invalid="ignore"):
        found = sums.weighted_sums(np, weight, values)
    assert np.isfinite(found[1]) == shared
    assert_close(found[0], (weight[:1].astype(np.float64) * values[:1]).sum(axis=1), ulps=4)


@pytest.mark.parametrize("classes", [1, 2, 3, 17, 63, 64, 65, 512, 1000, 1024])
def test_row_sums_of_any_layout(classes: int, rng: np.random.Generator) -> None:
    """NumPy's sums along rows that lie in columns are as accurate as those of rows in rows."""
    data = (1 + rng.random((5, classes))).astype(np.float32)
    exact = data.astype(np.float64).sum(axis=1, keepdims=True)
    for given in (data, np.asfortranarray(data), np.repeat(data, 2, axis=1)[:, ::2]):
        before = given.copy()
        assert_close(sums.row_sums(np, given), exact, ulps=8)
        np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("dtype", ["float16", "int64"])
def test_row_sums_of_other_dtypes(dtype: str) -> None:
    """What is not of the dtype of a loss is added up by NumPy."""
    found = sums.row_sums(np, np.asarray([[1, 2, 3], [4, 5, 6]], dtype))
    assert found.dtype == dtype
    assert found.tolist() == [[6], [15]]


def test_sums_in_pieces(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums that are made for some rows at a time have the bits of those made at once."""
    data = rng.random((11, 37)).astype(np.float32)
    whole = sums.ordered_sums(np, data)
    for entries in (1, 37, 100, 5 * 37):
        monkeypatch.setattr(pieces, "ENTRIES", entries)
        assert_same_bits(sums.ordered_sums(np, data), whole)
        assert sums.ordered_sums(np, data[:, :0]).shape == (11, 0)
        assert sums.ordered_sums(np, data[0]).shape == (1,)


def test_pieces_run_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces come back in order whoever makes them, and none warns of an overflow."""
    monkeypatch.setattr(pieces, "ENTRIES", 4)
    data = np.full((50, 4), 3e38, dtype=np.float32)
    data[:, 1:] = 0
    data[::7, 1] = 3e38
    for count in (1, 3):
        st.set_num_threads(count)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = sums.ordered_sums(np, data)
        np.testing.assert_array_equal(np.isinf(found[:, 0]), np.arange(50) % 7 == 0)


@pytest.mark.parametrize("rows", [1, 2, 20_000_000])
def test_sums_of_columns(rows: int) -> None:
    """A column of any length is added up to a few ulp."""
    tenth = np.full((rows, 1), 0.1, dtype=np.float32)
    assert_close(sums.column_sum(np, tenth), rows * float(np.float32(0.1)), ulps=4)


def test_totals(backend: Variant) -> None:
    """A number, or one column, stands for as many equal entries as there are."""
    matrix = backend.asarray([[1.0, 2.0, 4.0], [0.5, 0.0, 0.25]], "float32")
    column = matrix[:, :1]
    assert sums.total(backend.xp, 0.5, 3) == 1.5
    assert sums.total(backend.xp, column, 1) is column
    assert_close(sums.total(backend.xp, column, 3), [[3.0], [1.5]], ulps=0)
    assert_close(sums.total(backend.xp, matrix, 3), [[7.0], [0.75]], ulps=0)
