"""Between arrays with a class axis anywhere and matrices of rows x classes."""

import numpy as np
import pytest

from softtargets._array.axes import check_axis, from_rows, row_shape, to_rows
from tests.backends import Variant, assert_same_bits

SHAPES = [(4,), (3, 4), (4, 3), (2, 3, 4), (2, 4, 3), (2, 2, 3, 4), (0, 4), (1, 1), (2, 0, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_there_and_back(backend: Variant, shape: tuple[int, ...]) -> None:
    """Rows are in the order of the other axes, and come back where they were."""
    if backend.row == "dask" and shape == (2, 0, 3):
        pytest.skip("dask: an empty array of three axes cannot be reshaped")
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    array = backend.asarray(data)
    for axis in range(len(shape)):
        if shape[axis] == 0:
            continue
        expected = np.moveaxis(data, axis, -1).reshape(-1, shape[axis])
        matrix = to_rows(backend.xp, array, axis)
        assert_same_bits(matrix, backend.asarray(expected))
        assert_same_bits(from_rows(backend.xp, matrix, shape, axis), array)


def test_a_matrix_is_left_alone(backend: Variant) -> None:
    """A matrix of rows x classes is handed on as it is, without a copy."""
    matrix = backend.asarray(np.zeros((3, 4)), "float32")
    assert to_rows(backend.xp, matrix, 1) is matrix
    assert from_rows(backend.xp, matrix, (3, 4), 1) is matrix


def test_rows_of_a_shape() -> None:
    """The shape of the rows is that of the array without its class axis."""
    assert row_shape((2, 3, 4), 0) == (3, 4)
    assert row_shape((2, 3, 4), 1) == (2, 4)
    assert row_shape((2, 3, 4), 2) == (2, 3)
    assert row_shape((5,), 0) == ()


def test_axes_are_counted_from_the_front() -> None:
    """Negative axes count from the end, and NumPy's integers are integers."""
    assert [check_axis(axis, 3) for axis in (-3, -2, -1, 0, 1, 2)] == [0, 1, 2, 0, 1, 2]
    assert check_axis(np.int64(-1), 3) == 2  # type: ignore[arg-type]
    assert type(check_axis(np.int64(-1), 3)) is int  # type: ignore[arg-type]


@pytest.mark.parametrize("axis", [3, -4, 10])
def test_axis_out_of_range(axis: int) -> None:
    """An axis that does not exist raises."""
    with pytest.raises(ValueError, match=rf"^axis must be in \[-3, 3\), got {axis}$"):
        check_axis(axis, 3)


@pytest.mark.parametrize("axis", [1.0, "1", None, True, (0,), np.array(0)])
def test_axis_of_another_type(axis: object) -> None:
    """An axis is an integer and nothing else."""
    with pytest.raises(TypeError, match=f"^axis must be an int, got {type(axis).__name__}$"):
        check_axis(axis, 3)
