"""A buffer for the gradient, wherever it lies: beside the arguments, on them, or across them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets.execution import plan
from tests.backends import Variant, assert_same_bits

BOTH = st.value_and_grad(st.cross_entropy)
RNG = np.random.default_rng(28)
COUNT = 9
X = RNG.normal(0, 3, (COUNT + 1, COUNT))
Q = RNG.random((COUNT, COUNT))
Q /= Q.sum(axis=1, keepdims=True)


@pytest.fixture
def backend(backend: Variant, monkeypatch: pytest.MonkeyPatch) -> Variant:
    """Each library whose arrays may be written into, with blocks of one row."""
    if not backend.backend.writable or backend.read_only:
        pytest.skip(f"{backend.name}: arrays cannot be written into")
    monkeypatch.setattr(plan, "HOST_ENTRIES", 1)
    monkeypatch.setattr(plan, "DEVICE_ENTRIES", 1)
    return backend


def check(out: Any, x: Any, targets: Any, **words: Any) -> None:
    """Fail unless the buffer gets what a call without one returns."""
    copies = [value + 0 if hasattr(value, "shape") else value for value in (x, targets)]
    loss, gradient = BOTH(*copies, **words)
    got, returned = st.value_and_grad(st.cross_entropy, out=out)(x, targets, **words)
    assert returned is out
    assert_same_bits(got, loss)
    assert_same_bits(out, gradient)


def test_a_buffer_across_the_logits(backend: Variant) -> None:
    """Rows that are written before others are read do not spoil these."""
    labels = backend.asarray(np.arange(COUNT) * 2 % COUNT)
    for dtype in backend.dtypes:
        for words in ({}, {"label_smoothing": 0.1, "reduction": "none"}):
            base = backend.asarray(X, dtype)
            check(base[1:, :], base[:-1, :], labels, **words)
            base = backend.asarray(X, dtype)
            check(base[:-1, :], base[1:, :], labels, **words)
            square = backend.asarray(X[1:], dtype)
            check(backend.xp.permute_dims(square, (1, 0)), square, labels, **words)
            check(square, square, labels, **words)
            square = backend.asarray(X[1:], dtype)
            check(square[:, :], square, labels, **words)  # another view of the same memory


def test_a_buffer_across_the_targets(backend: Variant) -> None:
    """The buffer may be the array of distributions, or a part of it moved by a row."""
    for dtype in backend.dtypes:
        if dtype in ("float16", "bfloat16"):
            continue  # whose rounded rows do not sum to 1 closely
        x = backend.asarray(X[1:], dtype)
        q = backend.asarray(Q, dtype)
        check(q, x, q)
        base = backend.asarray(np.concatenate([Q, Q[:1]]), dtype)
        check(base[1:, :], x, base[:-1, :], label_smoothing=0.1)
    x = backend.asarray(X[1:], "float32")
    weight = backend.asarray(np.ones((COUNT, COUNT)), "float32")
    labels = backend.asarray(np.arange(COUNT))
    check(weight, x, labels, sample_weight=weight[:, 0] + 0)


def test_a_buffer_on_the_weights(backend: Variant) -> None:
    """The buffer may be memory of which the weights of rows are a part."""
    labels = backend.asarray(np.arange(COUNT))
    for dtype in ("float32", "float64"):
        x = backend.asarray(X[1:], dtype)
        values = RNG.random((COUNT, COUNT))
        out, weight = backend.asarray(values, dtype), backend.asarray(values[:, 0], dtype)
        for reduction in ("none", "mean"):
            want = BOTH(x, labels, sample_weight=weight, reduction=reduction)
            out[...] = backend.asarray(values, dtype)
            both = st.value_and_grad(st.cross_entropy, out=out)
            loss, _ = both(x, labels, sample_weight=out[:, 0], reduction=reduction)
            assert_same_bits(loss, want[0])
            assert_same_bits(out, want[1])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_buffers_of_more_axes(backend: Variant, axis: int) -> None:
    """Buffers of three axes, whole or with steps, take the gradient for a class axis anywhere."""
    values = RNG.normal(0, 3, (4, 4, 4))
    labels = backend.asarray(RNG.integers(0, 4, (4, 4)))
    for dtype in backend.dtypes:
        x = backend.asarray(values, dtype)
        check(backend.xp.zeros_like(x), x, labels, axis=axis)
        wide = backend.asarray(np.zeros((4, 4, 8)), dtype)
        check(wide[:, :, ::2], x, labels, axis=axis)
        assert np.all(backend.to_numpy(wide)[:, :, 1::2] == 0)
        check(backend.xp.permute_dims(backend.xp.zeros_like(x), (1, 2, 0)), x, labels, axis=axis)
        check(x, x, labels, axis=axis)
