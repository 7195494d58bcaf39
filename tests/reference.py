"""Random calls against the slow reference: how many are tried, how near a result must be."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import settings

from tests.backends import EPSILON, Variant, dtype_name, to_numpy
from tests.golden import run
from tests.oracle import budget, plain
from tests.strategies import ONE_SHAPE, SHAPES, Call, Shapes

#: How many examples, in percent of the profile: each costs JAX and Dask more.
PERCENT = {"numpy": 100, "torch": 40, "cupy": 40, "array_api_strict": 40, "jax": 13, "dask": 13}

#: How many roundings any path from an argument to the result goes through, at most: the sums run
#: over at most 5 classes, 6 rows and 3 listed labels (14), and the numbers in them are products and
#: quotients of at most 18 others: 1 - eps twice, lambda, a prior and the mass that a mask leaves of
#: it, three kinds of weight, the denominator, a penalty, the shift, exp, log and their quotient.
ROUNDINGS = 32.0


def examples(backend: Variant, share: float = 1.0) -> settings:
    """The settings of Hypothesis for one backend, with a ``share`` of its examples."""
    count = settings.default.max_examples * PERCENT[backend.row] * share / 100
    return settings(max_examples=max(int(count), 3))


def shapes_for(backend: Variant) -> Shapes:
    """The shapes that are worth their time."""
    return ONE_SHAPE if backend.row in ("jax", "dask") else SHAPES


def dtypes_of(backend: Variant, *names: str) -> tuple[str, ...]:
    """Those of the dtypes that the backend has."""
    return tuple(name for name in names if name in backend.dtypes)


def widest(backend: Variant) -> tuple[str, ...]:
    """float64, or float32 where there is no other."""
    return dtypes_of(backend, "float64", "float32")[:1]


def assert_near(
    what: str, got: Any, want: Any, scale: Any, compute: str, out: str | None = None
) -> None:
    """Fail unless ``got`` is what rounding in `compute` may make of ``want``, rounded to `out`."""
    got, want = (np.asarray(values, np.float64) for values in (got, want))
    assert got.shape == want.shape, f"{what} has shape {got.shape}, expected {want.shape}"
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite], err_msg=what)
    units = ROUNDINGS * EPSILON[compute] * np.broadcast_to(scale, want.shape)[finite]
    if out not in (None, compute):
        # Half precision: one rounding more, to a multiple of the smallest number at least.
        units = units + EPSILON[out] * np.abs(want[finite]) + 2.0**-24
    error = np.abs(got[finite] - want[finite])
    over = np.max(error - units, initial=0.0)
    assert over <= 0, f"{what} is {got}, expected {want}: {over} more than rounding allows"


def check(call: Call, loss: Any, gradient: Any) -> None:
    """Fail unless loss and gradient (of the backend) are those of the reference."""
    case = call.case
    want = plain.cross_entropy(case, "float64")
    scale = budget.scale_of(case)
    compute = plain.compute_dtype(case.dtype)
    rows = case.rows_shape if case.keywords["reduction"] == "none" else ()
    assert dtype_name(loss) == compute
    assert dtype_name(gradient) == case.dtype
    expected = np.asarray(want.loss).reshape(rows)
    assert_near("loss", host(loss), expected, np.reshape(scale.loss, rows), compute)
    matrix = run.to_matrix(case, host(gradient))
    assert_near("gradient", matrix, want.gradient, scale.gradient, compute, case.dtype)


def host(array: Any) -> Any:
    """The values of an array of any library in NumPy's float64."""
    return np.asarray(to_numpy(array), np.float64)
