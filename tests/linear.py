"""Random calls of the loss of a linear layer, and what the slow reference says of each.

Features, weight and bias lie on coarse grids, so that their logits are exact in every dtype: any
call of the cross-entropy becomes one of the linear layer that makes its logits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as some

import softtargets as st
from tests.backends import EPSILON, Variant, dtype_name
from tests.golden import run
from tests.oracle import budget, plain
from tests.oracle.case import Case
from tests.reference import ROUNDINGS, host
from tests.strategies import Call, calls

#: Entries of features, weight and bias: logits are multiples of 1/4 below 16, exact in 8 bits.
FEATURES, WEIGHTS, BIASES = (-1.5, -0.5, 0.0, 1.0), (-2.0, -0.5, 0.0, 1.5), (-1.0, 0.0, 0.75)
#: And a width of 0.
SIZES = (3, 2, 1, 0)
BOTH = st.value_and_grad(st.linear_cross_entropy)


@dataclass(frozen=True)
class LinearCall:
    """A call of the cross-entropy, and the linear layer that makes its logits."""

    call: Call
    #: Rows x features, classes x features, classes. Rows that are left out may hold anything.
    features: Any
    weight: Any
    bias: Any | None
    #: Rows of a block, None for the default.
    rows: int | None = None

    @property
    def case(self) -> Case:
        return self.call.case

    def arguments(self, backend: Variant) -> tuple[Any, Any, Any, dict[str, Any]]:
        """Features, weight, targets and keywords on the arrays of `backend`."""
        case = self.case
        _, targets, words = self.call.arguments(backend)
        shape = (*case.rows_shape, self.features.shape[1])
        features = np.moveaxis(self.features.reshape(shape), -1, case.axis)
        if self.bias is not None:
            words["bias"] = backend.asarray(self.bias, case.dtype)
        if self.rows is not None:
            item = 8 if case.dtype == "float64" else 4
            words["block_bytes"] = self.rows * item * case.num_classes
        layer = (backend.asarray(given, case.dtype) for given in (features, self.weight))
        return (*layer, targets, words)

    def evaluate(self, backend: Variant) -> tuple[Any, tuple[Any, ...]]:
        """The loss and the gradients that the library gives."""
        *layer, words = self.arguments(backend)
        return BOTH(*layer, **words)

    def check(self, loss: Any, gradients: tuple[Any, ...]) -> None:
        """Fail unless these are the results, up to rounding, of the reference in float64."""
        case, dtype = self.case, self.case.dtype
        want, scale = plain.cross_entropy(case, "float64"), budget.scale_of(case)
        compute = plain.compute_dtype(dtype)
        rows = case.rows_shape if case.keywords["reduction"] == "none" else ()
        assert dtype_name(loss) == compute
        size = np.reshape(scale.loss + self._dot_scale(want), rows)
        _near("loss", loss, want.loss, size, rows, compute)
        y = np.where(want.rows.kept[:, None], self.features, 0.0)
        g, ones = np.asarray(want.gradient), np.ones((1, len(y)))
        shared = np.abs(want.rows.a) * (want.rows.sample_weight / self._divisor(want))[:, None]
        found = [
            ("features", lambda g, w, _: g @ w),
            ("weight", lambda g, _, y: g.T @ y),
            ("bias", lambda g, _, y: (ones @ g)[0]),
        ]
        assert len(gradients) == (2 if self.bias is None else 3)
        for (name, product), got in zip(found, gradients, strict=False):
            assert dtype_name(got) == dtype
            expected = product(g, self.weight, y)
            size = product(scale.gradient, np.abs(self.weight), np.abs(y))
            # Half precision: the gradient for the logits is rounded before it is multiplied, and
            # before it loses what all rows share, and each block of the product is rounded.
            lost = 2 * product(np.abs(g) + shared, np.abs(self.weight), np.abs(y))
            values = host(got)
            if name == "features":
                values = np.moveaxis(values, case.axis, -1).reshape(expected.shape)
            rounding = 0.0 if dtype == compute else EPSILON[dtype] * lost + 2.0**-23
            _near(name, values, expected, size, expected.shape, compute, rounding)

    def _dot_scale(self, want: plain.PlainResult) -> Any:
        """What is rounded where the mean of the logits is taken from the features."""
        rows = want.rows
        x = np.abs(np.where(rows.kept[:, None], self.features, 0.0)) @ np.abs(self.weight).T
        x = x + (0.0 if self.bias is None else np.abs(self.bias))
        v = np.where(rows.kept, rows.sample_weight, 0.0)
        scale = v * np.sum(np.abs(rows.a) * x, axis=1)
        none = self.case.keywords["reduction"] == "none"
        return scale if none else np.sum(scale) / self._divisor(want)

    def _divisor(self, want: plain.PlainResult) -> Any:
        mean = self.case.keywords["reduction"] == "mean"
        return want.rows.denominator or 1.0 if mean else 1.0


def _near(
    what: str, got: Any, want: Any, scale: Any, shape: Any, compute: str, extra: Any = 0.0
) -> None:
    """Fail unless ``got`` is what rounding in `compute`, and ``extra``, may make of ``want``."""
    got = host(got)
    assert got.shape == shape, f"{what} has shape {got.shape}, expected {shape}"
    want = np.reshape(want, shape)
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite], err_msg=what)
    units = np.broadcast_to(ROUNDINGS * EPSILON[compute] * scale + extra, want.shape)
    over = np.max((np.abs(got - want) - units)[finite], initial=0.0)
    assert over <= 0, f"{what} is {got}, expected {want}: {over} more than rounding allows"


@some.composite
def linear_calls(draw: Callable[..., Any], *args: Any, **words: Any) -> LinearCall:
    """Any call of the cross-entropy that `calls` gives, with the layer that makes its logits."""
    call = draw(calls(*args, infinities=False, **words))
    rng = np.random.default_rng(draw(some.integers(0, 2**32 - 1)))
    count, classes = call.case.num_rows, call.case.num_classes
    size = draw(some.sampled_from(SIZES))
    features, weight = rng.choice(FEATURES, (count, size)), rng.choice(WEIGHTS, (classes, size))
    bias = rng.choice(BIASES, classes) if draw(some.booleans()) else None
    call = call.moved(features @ weight.T + (0.0 if bias is None else bias))
    rows = plain.cross_entropy(call.case, "float64").rows
    gone = rng.choice([np.nan, np.inf, -np.inf, 0.5], (count, 1))
    features = np.where(rows.kept[:, None], features, gone)
    return LinearCall(call, features, weight, bias, draw(some.sampled_from((None, 1, 2, 4))))


def with_reduction(linear: LinearCall, reduction: str) -> LinearCall:
    """The same call reduced in another way."""
    return replace(linear, call=linear.call.changed(reduction=reduction, denominator=None))


__all__ = ["BOTH", "LinearCall", "linear_calls", "run", "with_reduction"]
