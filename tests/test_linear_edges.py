"""A linear layer at its edges: rows and classes that take no part, nothing at all, many rows."""

from __future__ import annotations

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close
from tests.linear import BOTH
from tests.oracle.plain import round_to
from tests.reference import host
from tests.test_linear_cross_entropy import BIAS, LABELS, RNG, WEIGHT, Y, layer_of


@pytest.fixture
def backend(backend: Variant) -> Variant:
    """Each library in turn; JAX once, because the dtype is float32 or less."""
    if backend.row == "jax" and backend.wide:
        pytest.skip(f"{backend.name}: no float64 here")
    return backend


def test_ignored_rows(backend: Variant) -> None:
    """Rows that are left out may hold anything: their gradient is 0, nothing else notices."""
    features, labels, keep = Y.copy(), LABELS.copy(), np.ones(11, bool)
    features[[2, 5, 7]] = [[np.nan], [np.inf], [-np.inf]]
    labels[[2, 7]], keep[[5, 7]] = -100, False
    kept = keep & (labels != -100)
    _, weight, bias = layer_of(backend)
    for words in ({}, {"label_smoothing": 0.1}, {"class_weight": backend.asarray(BIAS**2)}):
        for rows in (1, 4, 100) if backend.row not in ("jax", "dask") else (4,):
            words = {**words, **bias, "reduction": "sum", "block_bytes": rows * 20}
            loss, gradients = BOTH(
                backend.asarray(features, "float32"),
                weight,
                backend.asarray(labels),
                where=backend.asarray(keep),
                **words,
            )
            want, expected = BOTH(
                backend.asarray(Y[kept], "float32"), weight, backend.asarray(labels[kept]), **words
            )
            assert_close(loss, want, ulps=8)
            assert np.all(backend.to_numpy(gradients[0])[~kept] == 0)
            rows = backend.asarray(np.flatnonzero(kept))
            assert_close(
                backend.xp.take(gradients[0], rows, axis=0), expected[0], ulps=16, scale=1.0
            )
            for got, gradient in zip(gradients[1:], expected[1:], strict=True):
                assert_close(got, gradient, ulps=32, scale=1.0)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("rows", [0, 3])
def test_nothing(backend: Variant, rows: int, reduction: str) -> None:
    """The mean of no rows is nan and their sum 0, with gradients of exactly 0."""
    _, weight, bias = layer_of(backend)
    loss, gradients = BOTH(
        backend.asarray(np.full((rows, 6), np.nan), "float32"),
        weight,
        backend.asarray(np.full(rows, -100)),
        **bias,
        label_smoothing=0.1,
        reduction=reduction,
    )
    want = {"mean": np.nan, "sum": 0.0, "none": np.zeros(rows)}[reduction]
    np.testing.assert_array_equal(backend.to_numpy(loss), want)
    for gradient, shape in zip(gradients, ((rows, 6), (5, 6), (5,)), strict=True):
        np.testing.assert_array_equal(backend.to_numpy(gradient), np.zeros(shape))


@pytest.mark.parametrize("classes", [3, 300])
def test_no_features(backend: Variant, classes: int) -> None:
    """Without features the logits are the bias."""
    bias = RNG.standard_normal(classes).astype(np.float32)
    labels = backend.asarray(RNG.integers(0, classes, 4))
    y, weight, b = (
        backend.asarray(a, "float32") for a in (np.ones((4, 0)), np.ones((classes, 0)), bias)
    )
    loss, gradients = BOTH(y, weight, labels, bias=b, label_smoothing=0.1)
    logits = backend.asarray(np.broadcast_to(bias, (4, classes)).copy())
    want, gradient = st.value_and_grad(st.cross_entropy)(logits, labels, label_smoothing=0.1)
    assert_close(loss, want, ulps=8)
    assert [tuple(g.shape) for g in gradients] == [(4, 0), (classes, 0), (classes,)]
    assert_close(gradients[2], host(gradient).sum(axis=0).tolist(), ulps=16, scale=1.0)


def test_classes_that_are_off(backend: Variant) -> None:
    """A class with a bias of -inf takes no part where nothing of the target is on it."""
    y, weight, _ = layer_of(backend)
    bias = backend.asarray([0.5, -np.inf, 0.25, -1.0, 0.0], "float32")
    prior = backend.asarray([0.5, 0.0, 0.25, 0.25, 0.0], "float32")
    labels = backend.asarray(np.where(LABELS == 1, 0, LABELS))
    rest = np.asarray([0, 2, 3, 4])
    for words in ({}, {"label_smoothing": 0.1, "prior": prior}):
        loss, gradients = BOTH(y, weight, labels, bias=bias, block_bytes=80, **words)
        if words:
            words = words | {"prior": backend.asarray(host(prior)[rest], "float32")}
        want, expected = BOTH(
            y,
            backend.asarray(WEIGHT[rest], "float32"),
            backend.asarray(np.searchsorted(rest, host(labels))),
            bias=backend.asarray(host(bias)[rest], "float32"),
            block_bytes=80,
            **words,
        )
        assert_close(loss, want, ulps=8)
        assert_close(gradients[0], expected[0], ulps=32, scale=1.0)
        for got, gradient in zip(gradients[1:], expected[1:], strict=True):
            assert np.all(host(got)[1] == 0)
            np.testing.assert_allclose(host(got)[rest], host(gradient), rtol=0, atol=2.0**-19)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sums_over_rows_are_float32(backend: Variant, dtype: str) -> None:
    """Gradients in half precision are added up in float32, however many blocks there are.

    A sum of the same 300 blocks in the dtype itself is off by several units of its last digit.
    """
    if dtype not in backend.dtypes:
        pytest.skip(f"{backend.name} has no {dtype}")
    y = backend.asarray(np.ones((2400, 2)), dtype)
    weight, bias = backend.asarray(np.zeros((4, 2)), dtype), backend.asarray(np.zeros(4), dtype)
    labels = backend.asarray(np.zeros(2400, np.int32))
    loss, gradients = BOTH(y, weight, labels, bias=bias, block_bytes=8 * 4 * 4)
    want = np.asarray([-0.75, 0.25, 0.25, 0.25])
    low = np.zeros(4, np.float32)
    for _ in range(300):
        low = round_to(low + round_to((want / 300).astype(np.float32), dtype), dtype)
    with pytest.raises(AssertionError, match="ulp off"):
        assert_close(low, want, ulps=4, dtype=dtype)
    assert_close(loss, float(np.log(4)), ulps=32)  # XLA adds 2400 numbers one after the other
    # Rounded are the gradient for the logits, the product of a block, and the result.
    assert_close(gradients[1], np.stack([want, want], axis=1), ulps=1.5)
    assert_close(gradients[2], want, ulps=1.5)
