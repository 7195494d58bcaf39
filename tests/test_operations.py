"""The few matrix operations that need a decision, each on its own."""

import math

import numpy as np
import pytest

from softtargets._array import operations as ops
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits

INF = math.inf


def test_zero_times_infinity(backend: Variant) -> None:
    """A weight of zero switches an infinity off, and nothing else: nan stays nan."""
    values = [[INF, -INF, math.nan, 2.0]]
    x = backend.asarray(values, "float32")
    zero = backend.asarray([[0.0]], "float32")
    assert_close(
        ops.product(backend.xp, 0.0, backend.asarray([[INF, -INF, 2.0]])), [[0.0] * 3], ulps=0
    )
    assert_close(ops.product(backend.xp, zero, x), [[0.0, 0.0, math.nan, 0.0]], ulps=0)
    for weight in (0.5, backend.asarray([[0.5]], "float32")):
        assert_close(ops.product(backend.xp, weight, x), [[INF, -INF, math.nan, 1.0]], ulps=0)


def test_gates(backend: Variant) -> None:
    """An amount passes where the gate holds; without a gate it is handed on as it is."""
    like = backend.asarray([[1.0, 2.0], [3.0, 4.0]], "float32")
    keep = backend.asarray([[True], [False]])
    assert ops.gate(backend.xp, None, 0.5, 0.0, like) == 0.5
    assert ops.gate(backend.xp, None, like, 0.0, like) is like
    gated = ops.gate(backend.xp, keep, 0.5, math.nan, like)
    assert_follows(gated, like)
    assert_close(gated, [[0.5], [math.nan]], ulps=0)
    assert_close(ops.gate(backend.xp, keep, like, 0.0, like), [[1.0, 2.0], [0.0, 0.0]], ulps=0)


def test_one_hot_masks(backend: Variant) -> None:
    """A mask of labels is true at the label of each row."""
    labels = backend.asarray([[2], [0]])
    mask = backend.to_numpy(ops.is_label(backend.xp, labels, 3))
    assert mask.tolist() == [[False, False, True], [True, False, False]]


@pytest.mark.parametrize("columns", [1, 2])
def test_picking(backend: Variant, columns: int) -> None:
    """The entries at the labels are picked exactly, infinities beside them notwithstanding."""
    matrix = backend.asarray([[1.0, INF, -2.0], [math.nan, 0.5, 4.0]], "float32")
    labels = backend.asarray([[2, 0], [1, 2]])[:, :columns]
    expected = np.array([[-2.0, 1.0], [0.5, 4.0]])[:, :columns]
    assert_close(ops.pick(backend.xp, matrix, labels), expected, ulps=0)


def test_lookup(backend: Variant) -> None:
    """A table of numbers, or of rows, is read at labels of any shape."""
    labels = backend.asarray([[2, 0], [1, 1]])
    vector = backend.asarray([0.5, 1.5, 2.5], "float32")
    assert_close(ops.lookup(backend.xp, vector, labels), [[2.5, 0.5], [1.5, 1.5]], ulps=0)
    table = np.arange(9.0).reshape(3, 3)
    rows = ops.lookup(backend.xp, backend.asarray(table, "float32"), labels)
    assert_close(rows, table[[[2, 0], [1, 1]]], ulps=0)


def test_columns(backend: Variant) -> None:
    """The column of an amount that is the same for all labels is the amount."""
    matrix = backend.asarray([[1.0, 2.0], [3.0, 4.0]], "float32")
    assert ops.column(0.5, 1) == 0.5
    assert ops.column(matrix[:, :1], 1) is not None
    assert_close(ops.column(matrix[:, :1], 1), [[1.0], [3.0]], ulps=0)
    assert_close(ops.column(matrix, 1), [[2.0], [4.0]], ulps=0)


def test_adding_at_labels(backend: Variant) -> None:
    """Amounts are added at the labels; a label that is named twice counts twice."""
    labels = backend.asarray([[2, 2], [0, 1]])
    amounts = backend.asarray([[0.5, 0.25], [1.0, -1.0]], "float32")
    for amount, expected in (
        (amounts, [[1.0, 1.0, 1.75], [2.0, 0.0, 1.0]]),
        (amounts[:, :1], [[1.0, 1.0, 2.0], [2.0, 2.0, 1.0]]),
        (0.5, [[1.0, 1.0, 2.0], [1.5, 1.5, 1.0]]),
    ):
        ones = backend.xp.ones_like(backend.asarray(np.zeros((2, 3)), "float32"))
        assert_close(ops.add_at(backend.xp, ones, labels, amount), expected, ulps=0)


def test_amounts_as_columns(backend: Variant) -> None:
    """A number becomes a 0-d array beside the matrix, an array stays what it is."""
    like = backend.asarray([[1.0, 2.0]], "float32")
    assert_follows(ops.as_column(backend.xp, 0.5, like), like)
    assert ops.as_column(backend.xp, like, like) is like


def test_quotients_are_rounded_once(backend: Variant, rng: np.random.Generator) -> None:
    """Numbers and columns are divided exactly as NumPy divides two arrays."""
    a = rng.random((5, 3)).astype(np.float32) + np.float32(0.1)
    column = a[:, :1] + np.float32(1.0)
    third = np.float32(3.0)
    assert ops.quotient(backend.xp, 1.0, 4) == 0.25
    for dividend, divisor, expected in (
        (a, column, a / column),
        (1.0, a, np.float32(1.0) / a),
        (a, 3, a / third),
    ):
        given = [
            backend.asarray(v) if isinstance(v, np.ndarray) else v for v in (dividend, divisor)
        ]
        assert_same_bits(ops.quotient(backend.xp, *given), backend.asarray(expected))
