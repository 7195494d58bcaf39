"""Bins of equal width, sums by bin, and numbers per row that do not depend on other rows."""

from __future__ import annotations

import numpy as np
import pytest

from softtargets._array.bins import bin_of, sums_at
from softtargets._array.read import read
from softtargets.calibration import counters
from softtargets.calibration.counters import as_floats, carried, halves
from softtargets.execution.summaries import Summary, row_columns
from softtargets.softmax.kernel import Pass
from softtargets.targets.rows import Rows
from tests.backends import Variant, dtype_name, to_numpy


@pytest.mark.parametrize("num_bins", [1, 7, 15, 3840])
def test_bin_of(num_bins: int, backend: Variant) -> None:
    """Values on an edge are below it, their neighbours on either side where they belong."""
    if num_bins in (1, 7) and not backend.quick:
        return
    rng = np.random.default_rng(num_bins)
    for dtype in {"float32", backend.dtypes[-1]}:
        kind = np.dtype(dtype)
        edges = np.arange(num_bins + 1, dtype=kind) / kind.type(num_bins)
        near = [np.nextafter(edges, kind.type(end)) for end in (0, 1)]
        values = np.concatenate([edges, *near, rng.random(200).astype(kind)])
        expected = np.searchsorted(edges[1:-1], values, side="left")
        found = bin_of(backend.xp, backend.asarray(values, dtype), num_bins)
        np.testing.assert_array_equal(to_numpy(found), expected)


def test_bin_of_no_number(backend: Variant) -> None:
    """What is no number in [0, 1] is in some bin nevertheless."""
    values = backend.asarray([np.nan, -1.0, 2.0, np.inf], "float32")
    assert set(to_numpy(bin_of(backend.xp, values, 4)).tolist()) <= {0, 1, 2, 3}


def test_sums_at(backend: Variant) -> None:
    """Whole numbers are added exactly; what is in the bin behind the last one counts nowhere."""
    rng = np.random.default_rng(3)
    bins = rng.integers(0, 6, 200)
    whole = rng.integers(0, 2**12, 200).astype("float32")
    index = backend.xp.astype(backend.asarray(bins), backend.asarray([0]).dtype)
    found = sums_at(backend.xp, index, backend.asarray(whole, backend.dtypes[-1]), 5)
    assert dtype_name(found) == ("int64" if backend.wide else "int32")
    expected = [int(whole[bins == j].sum()) for j in range(5)]
    assert to_numpy(found).tolist() == expected
    counts = sums_at(backend.xp, index, None, 5)
    assert to_numpy(counts).tolist() == [int((bins == j).sum()) for j in range(5)]


def test_sums_of_small_numbers(backend: Variant) -> None:
    """Numbers are rounded to 2^-52, or to 2^-24, before they are added, and not after."""
    values = np.array([1.0, 0.5, 0.75, 2.0**-10, 0.0])
    bins = backend.asarray([0, 0, 1, 1, 2])
    xp = backend.xp
    first, second = halves(xp, bins, backend.asarray(values, backend.dtypes[-1]), 3)
    parts = carried(xp, xp.stack([xp.zeros_like(first), first, second]))
    found = to_numpy(as_floats(xp, parts))
    assert found.tolist() == [1.5, 0.75 + 2.0**-10, 0.0]


@pytest.mark.parametrize("least", [2.0**-13, 2.0**-14])
def test_sums_of_single_precision_are_the_same(least: float) -> None:
    """Whether numbers of single precision are split before they are added or after."""
    import array_api_compat.numpy as xp

    rng = np.random.default_rng(9)
    size = counters.EXACT_ROWS
    for values in (
        rng.uniform(least, 1, size),
        np.exp(rng.uniform(np.log(least), 0, size)),
        np.full(size, 1 - 2.0**-24),
        np.full(size, least * (1 + 2.0**-23)),
    ):
        single = values.astype(np.float32).astype(np.float64)
        bins = rng.integers(0, 3, size) * (single != single[0])  # many in one bin
        found, expected = (
            counters.carried(xp, np.stack([np.zeros(3, dtype=np.int64), *parts]))
            for parts in (
                counters.halves(xp, bins, single, 3, single=True),
                counters.halves(xp, bins, single, 3),
            )
        )
        np.testing.assert_array_equal(found, expected)
        for j in range(3):
            exact = sum((single[bins == j] * 2**52).astype(np.int64).tolist())
            whole, first, second = (int(part[j]) for part in found)
            assert (whole * 2**26 + first) * 2**26 + second == exact


@pytest.mark.parametrize("classes", [2, 16, 17, 40, 64, 65, 300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_do_not_depend_on_other_rows(
    classes: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row has the same sums on its own, in any block and in any layout of the memory."""
    import array_api_compat.numpy as xp

    def summarize(x: np.ndarray, done: Pass, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        return done.state.exp_sum, x[:, :1]

    def run(matrix: np.ndarray) -> tuple[np.ndarray, ...]:
        return row_columns(Summary(xp, matrix, Rows(), matrix.dtype, 2, summarize))

    x = (3 * np.random.default_rng(classes).standard_normal((70, classes))).astype(dtype)
    whole = run(x)
    np.testing.assert_allclose(
        whole[0][:, 0], np.exp(x - x.max(axis=1, keepdims=True)).sum(axis=1), rtol=1e-5
    )
    np.testing.assert_array_equal(whole[1], x[:, :1])
    singles = [run(x[i : i + 1]) for i in range(70)]
    monkeypatch.setattr("softtargets.execution.summaries.HOST_ENTRIES", 5 * classes)
    for other in (
        tuple(np.concatenate(column) for column in zip(*singles, strict=True)),
        run(x),
        run(np.asfortranarray(x)),
        tuple(column[::-1] for column in run(x[::-1])),
    ):
        for one, two in zip(whole, other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_read(backend: Variant) -> None:
    """Values of any library come as NumPy, from wherever they are."""
    found = read(backend.asarray([[1.5, 2.0]], "float32"), "x")
    assert type(found) is np.ndarray
    assert found.tolist() == [[1.5, 2.0]]
