"""The pieces that blocks are made of: products into totals, sums of weights, loops, passes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets._array import loops, memory, operations
from softtargets.execution import shared
from softtargets.losses.problem import make_problem
from softtargets.softmax import kernel
from softtargets.softmax.state import Penalties
from softtargets.targets.rows import Known, Rows, Vector
from tests.backends import Variant, assert_close, assert_same_bits

INF = math.inf


def matrix(backend: Variant, *values: Any, dtype: str = "float32") -> Any:
    return backend.asarray(np.asarray(values), dtype)


@pytest.mark.parametrize("piece", [1, 7, 2**22])
def test_a_product_is_added(
    backend: Variant, piece: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """A product is added to a total, in place where one may write, and begins one without."""
    monkeypatch.setattr(memory, "HOST_PIECE", piece)
    monkeypatch.setattr(memory, "DEVICE_PIECE", piece)
    xp, writable = backend.xp, backend.backend.writable and not backend.read_only
    # Multiples of 1/4: nothing is rounded.
    start, left, right = (rng.integers(-8, 9, shape) / 4 for shape in ((5, 3), (5, 4), (4, 3)))
    for low in ("float32", *(d for d in ("float16", "bfloat16") if d in backend.dtypes)):
        a, b = backend.asarray(left, low), backend.asarray(right, low)
        assert_close(memory.add_product(xp, None, a, b), left @ right, ulps=0)
        # A buffer of the library's own: arrays of NumPy here may refuse to be written into.
        total = xp.zeros_like(backend.asarray(start, "float32")) + backend.asarray(start, "float32")
        made = memory.add_product(xp, total, a, b)
        assert_close(made, start + left @ right, ulps=0)
        if writable:
            assert made is total
        else:
            assert_close(total, start if backend.row != "numpy" else start + left @ right, ulps=0)


def test_a_product_of_nothing(backend: Variant) -> None:
    """Matrices without features have a product without entries."""
    xp, none = backend.xp, backend.asarray(np.zeros((2, 0)), "float32")
    left = matrix(backend, [1.0, 2.0], [3.0, 4.0])
    total = xp.zeros_like(none)
    assert tuple(memory.add_product(xp, total, left, none).shape) == (2, 0)


def test_arithmetic_in_place(backend: Variant) -> None:
    """What is the caller's own is written over, anything else is left as it is."""
    xp = backend.xp
    x, column = matrix(backend, [1.0, 2.0], [3.0, 4.0]), matrix(backend, [1.0], [2.0])
    before = backend.to_numpy(x).copy()
    assert_close(memory.subtract(xp, x, column, None), [[0.0, 1.0], [1.0, 2.0]], ulps=0)
    assert_close(memory.exponential(xp, x, own=False), np.exp(before), ulps=2)
    assert_close(memory.scaled(x, 2.0, own=False), 2 * before, ulps=0)
    assert_close(memory.added(x, column, own=False), np.add(before, [[1.0], [2.0]]), ulps=0)
    assert_close(memory.matmul(xp, x, column), [[5.0], [11.0]], ulps=0)
    assert_close(x, before, ulps=0)
    if not backend.backend.writable:
        return
    own = xp.zeros_like(x) + x
    assert memory.subtract(xp, x, column, own) is own
    assert memory.exponential(xp, own, own=True) is own
    assert_close(own, np.exp([[0.0, 1.0], [1.0, 2.0]]), ulps=2)
    assert memory.scaled(own, 2.0, own=True) is own
    assert memory.added(own, column, own=True) is own
    assert_close(own, 2 * np.exp([[0.0, 1.0], [1.0, 2.0]]) + [[1.0], [2.0]], ulps=2)
    assert memory.matmul(xp, x, x, own) is own
    assert_close(own, before @ before, ulps=0)


@pytest.mark.parametrize("piece", [1, 7, 2**15])
def test_a_multiple_is_added(
    backend: Variant, piece: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """Multiples of one row, or of a row each, are added, in pieces where one may write."""
    monkeypatch.setattr(memory, "OWN_PIECE", piece)
    # Multiples of 1/4: nothing is rounded.
    data, column, more = (rng.integers(-8, 9, shape) / 4 for shape in ((5, 3), (5, 1), (5, 3)))
    x = backend.asarray(data, "float32")
    for factor in (0.5, column[:1], column):
        given = factor if isinstance(factor, float) else backend.asarray(factor, "float32")
        for rows in (more[:1], more):
            vector, want = backend.asarray(rows, "float32"), data + factor * rows
            assert_close(memory.added_multiple(x, given, vector, own=False), want, ulps=0)
            if backend.backend.writable:
                own = backend.xp.zeros_like(x) + x
                assert memory.added_multiple(own, given, vector, own=True) is own
                assert_close(own, want, ulps=0)
    assert_close(x, data, ulps=0)


def test_who_has_a_loop(backend: Variant) -> None:
    """JAX has a loop of its own, the others are looped over by Python."""
    assert loops.has_loop(backend.asarray([1.0])) is (backend.row == "jax")


@pytest.mark.parametrize(("rows", "size"), [(6, 2), (7, 2), (7, 3), (3, 5), (1, 1)])
def test_a_loop_over_blocks(backend: Variant, rows: int, size: int) -> None:
    """Blocks of so many rows, the last one filled up, give the rows of the whole, and no more."""
    if backend.row != "jax":
        pytest.skip(f"{backend.name} has no loop of its own")
    x, y = np.arange(2.0 * rows).reshape(rows, 2), np.arange(1.0 * rows)[:, None]
    seen = []

    def function(a: Any, b: Any) -> Any:
        seen.append((a.shape, b.shape))
        return a * b + 1

    made = loops.map_blocks(function, [matrix(backend, *x), matrix(backend, *y)], size)
    assert_close(made, x * y + 1, ulps=0)
    assert set(seen) == {((size, 2), (size, 1))}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("classes", [1, 255, 256, 300, 100_003])
def test_sums_of_weights(
    backend: Variant,
    dtype: str,
    classes: int,
    monkeypatch: pytest.MonkeyPatch,
    rng: np.random.Generator,
) -> None:
    """A vector times the weight of many classes is as accurate in float32 as a sum in pairs."""
    if dtype not in backend.dtypes:
        pytest.skip(f"{backend.name} has no {dtype}")
    monkeypatch.setattr(shared, "_PIECE", 2**10)
    weight = backend.asarray(1 + rng.random((classes, 3)), dtype)
    prior = rng.random((1, classes))
    u = backend.asarray(prior / prior.sum(), "float32")
    found = shared._combine(backend.xp, u, weight)
    exact = backend.to_numpy(u).astype(np.float64) @ backend.to_numpy(weight).astype(np.float64)
    # All terms are positive: a sum one after the other would lose up to 100,003 roundings.
    assert_close(found, exact, ulps=8)


def problem_of(backend: Variant, **words: Any) -> Any:
    rng = np.random.default_rng(2)
    x = backend.asarray(rng.normal(0, 3, (6, 70)), "float32")
    return make_problem(x, backend.asarray([3, 0, 69, 5, 5, 1]), **words)


@pytest.mark.parametrize("kind", ["smoothed", "tail", "masked", "entropy"])
def test_the_same_exponentials_again(backend: Variant, kind: str) -> None:
    """From a state and the logits the pass is made again, bit for bit, and so is the gradient."""
    words: dict[str, Any] = {"label_smoothing": 0.1}
    if kind == "masked":
        mask = np.ones((6, 70), bool)
        mask[:, 11:20] = False
        words["class_mask"] = backend.asarray(mask)
        words["where"] = backend.asarray([True, True, False, True, True, True])
    problem = problem_of(backend, **words)
    if kind == "tail":
        best = st.Targets.from_top_k(
            backend.asarray([[3, 4]] * 6), backend.asarray([[0.5, 0.25]] * 6), 70, tail="bucket"
        )
        problem = make_problem(problem.logits, best)
    xp, rows, penalties = problem.xp, problem.rows, Penalties(z_loss=0.1)
    if kind == "entropy":
        penalties = penalties._replace(confidence_penalty=0.2)
    moments = 1 if penalties.uses_entropy else 0
    intos = [None]
    if backend.backend.writable and not backend.read_only:
        intos.append(xp.zeros_like(problem.matrix))
    for into in intos:
        with np.errstate(invalid="ignore"):
            done = kernel.forward(xp, problem.matrix, rows, moments=moments)
            again = kernel.again(xp, problem.matrix, rows, done.state, into)
        assert_same_bits(again.exponentials, done.exponentials)
        assert len(again.tails) == len(done.tails) == (kind == "tail")
        for one, other in zip(again.tails, done.tails, strict=True):
            assert_same_bits(one, other)
        assert again.own is (into is not None and not moments)
        assert (again.exponentials is into) is again.own
        want = kernel.gradient(xp, done, rows, penalties, 0.5)
        assert_same_bits(kernel.gradient(xp, again, rows, penalties, 0.5), want)


def test_entries_at_labels_of_any_layout(rng: np.random.Generator) -> None:
    """NumPy's entries at labels are found, and added to, in rows, in columns and with gaps."""
    data, labels = rng.random((5, 4)), np.asarray([[3, 3], [0, 1], [2, 0], [1, 1], [3, 2]])
    amounts = rng.random((5, 2))
    want, picked = data.copy(), np.take_along_axis(data, labels, axis=1)
    np.add.at(want, (np.arange(5)[:, None], labels), amounts)
    layouts = (data.copy(), np.asfortranarray(data), np.repeat(data, 2, axis=1)[:, ::2])
    for given in (*layouts, np.repeat(data, 2, axis=0)[::2].T.copy().T):
        np.testing.assert_array_equal(operations.pick(np, given, labels), picked)
        made = operations.add_at(np, given, labels, amounts)
        assert made is given
        assert_close(made, want, ulps=2)


def test_what_is_known_beforehand(backend: Variant) -> None:
    """A known part gives dot - mass * maximum; of no part there is nothing."""
    maximum = matrix(backend, [2.0], [-1.0])
    dot = matrix(backend, [5.0], [1.0])
    one = Known(dot, 0.5)
    assert Rows().known_dot(maximum) == 0.0
    assert_close(Rows(known=(one,)).known_dot(maximum), [[4.0], [1.5]], ulps=0)
    both = Rows(known=(one, Known(dot, matrix(backend, [1.0], [0.0]))))
    assert_close(both.known_dot(maximum), [[7.0], [2.5]], ulps=0)
    cut = both[slice(1, 2)]
    assert_close(cut.known_dot(maximum[1:, :]), [[2.5]], ulps=0)


def test_what_rows_share(backend: Variant) -> None:
    """One vector for all rows, and what is uniform, is taken out; a vector for each row stays."""
    ones = matrix(backend, [1.0, 1.0, 1.0])
    common = Vector(0.5, matrix(backend, [0.5, 0.5, 0.0]))
    own = Vector(1.0, matrix(backend, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))
    rest, found = Rows(vectors=(common, own), uniform=0.25, mass=1.0).without_shared(ones)
    assert rest.vectors == (own,)
    assert not rest.has_uniform
    assert rest.mass == 1.0
    assert found[0] is common
    assert (found[1].amount, found[1].u) == (0.25, ones) or found[1].u is ones
    rest, found = Rows(vectors=(own,)).without_shared(ones)
    assert (rest.vectors, found) == ((own,), ())


def test_turned_rows(rng: np.random.Generator) -> None:
    """Vectors of each row are copied to lie class after class; what all rows share stays."""
    own, shared = Vector(1.0, rng.random((3, 4))), Vector(0.5, rng.random((1, 4)))
    assert Rows().turned() == Rows()
    found = Rows(vectors=(own, shared), mass=0.5).turned()
    assert found.mass == 0.5
    assert found.vectors[0].u.flags.f_contiguous
    np.testing.assert_array_equal(found.vectors[0].u, own.u)
    assert found.vectors[1] is shared
