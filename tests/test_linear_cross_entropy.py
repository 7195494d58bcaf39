"""The cross-entropy of a linear layer is that of its logits, which exist a block at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits
from tests.linear import BOTH, LinearCall, linear_calls
from tests.oracle import budget, exact
from tests.reference import dtypes_of, examples, host, shapes_for, widest
from tests.strategies import KINDS

RNG = np.random.default_rng(17)
#: 11 rows: a last block of another size for any block of 2 to 10 rows.
Y, WEIGHT, BIAS = (RNG.standard_normal(shape) for shape in ((11, 6), (5, 6), (5,)))
LABELS = RNG.integers(0, 5, 11)


def test_any_call(backend: Variant) -> None:
    """Loss and gradients of any call are those of the reference in float64."""

    @examples(backend, 0.5)
    @given(call=linear_calls(dtypes_of(backend, "float64", "float32"), shapes=shapes_for(backend)))
    def try_one(call: LinearCall) -> None:
        call.check(*call.evaluate(backend))

    try_one()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_target(backend: Variant, kind: str) -> None:
    """The same for calls of each kind of target."""

    @examples(backend, 0.2)
    @given(call=linear_calls(widest(backend), (kind,), shapes=shapes_for(backend)))
    def try_one(call: LinearCall) -> None:
        call.check(*call.evaluate(backend))

    try_one()


def test_half_precision(backend: Variant) -> None:
    """A float32 loss, gradients in the dtype of the layer, up to one rounding of the logits'."""
    halves = dtypes_of(backend, "float16", "bfloat16")
    if not halves:
        pytest.skip(f"{backend.name} has no half precision")

    @examples(backend, 0.3)
    @given(call=linear_calls(halves, shapes=shapes_for(backend)))
    def try_one(call: LinearCall) -> None:
        call.check(*call.evaluate(backend))

    try_one()


def test_the_loss_alone(backend: Variant) -> None:
    """Without its gradients the loss has the same bits, or the same value up to rounding."""

    @examples(backend, 0.2)
    @given(call=linear_calls(widest(backend), shapes=shapes_for(backend)))
    def try_one(call: LinearCall) -> None:
        *layer, words = call.arguments(backend)
        alone, (loss, _) = st.linear_cross_entropy(*layer, **words), BOTH(*layer, **words)
        if backend.row == "jax":  # XLA may compile the two in two ways
            call.check(alone, call.evaluate(backend)[1])
        else:
            assert_same_bits(alone, loss)

    try_one()


@given(call=linear_calls(("float64",), shapes=(((3,),), (3, 1))))
def test_against_many_digits(call: LinearCall) -> None:
    """On NumPy the loss is that of the definition with 80 digits."""
    want = exact.cross_entropy(call.case)
    losses = want.loss if isinstance(want.loss, list) else [want.loss]
    scale = np.ravel(budget.scale_of(call.case).loss + 16 * np.max(np.abs(call.weight), initial=0))
    *layer, words = call.arguments(_numpy())
    got = np.ravel(st.linear_cross_entropy(*layer, **words))
    for value, expected, size in zip(got, losses, np.broadcast_to(scale, got.shape), strict=True):
        if np.isfinite(value):
            assert abs(float(value - expected)) <= 64 * 2.0**-52 * size
        else:
            assert repr(float(value)) == repr(float(expected))


def _numpy() -> Variant:
    return Variant("numpy", "numpy")


def layer_of(backend: Variant, dtype: str = "float32") -> tuple[Any, Any, dict[str, Any]]:
    bias = {"bias": backend.asarray(BIAS, dtype)}
    return backend.asarray(Y, dtype), backend.asarray(WEIGHT, dtype), bias


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_blocks_of_any_size(backend: Variant, smoothing: float) -> None:
    """Blocks of 1 to 11 rows, the last one smaller or not, give the same up to rounding."""
    y, weight, bias = layer_of(backend)
    labels = backend.asarray(LABELS)
    want = None
    for rows in (100, 11, 10, 4, 1) if backend.row != "jax" else (100, 4):
        block = rows * 4 * 5 + 3  # not a multiple of the size of a row
        loss, gradients = BOTH(
            y, weight, labels, **bias, label_smoothing=smoothing, block_bytes=block
        )
        want = want or (loss, gradients)
        assert_close(loss, want[0], ulps=8)
        for got, expected in zip(gradients, want[1], strict=True):
            assert_close(got, expected, ulps=32, scale=1.0)
    less = BOTH(y, weight, labels, **bias, label_smoothing=smoothing, block_bytes=1)
    assert_close(less[0], want[0], ulps=8)


def test_results_follow_the_features(backend: Variant) -> None:
    """Loss and gradients have the library and the device of the features, and their own dtypes."""
    for dtype in backend.dtypes:
        y, weight, bias = layer_of(backend, dtype)
        for words in (bias, {}) if backend.row != "jax" else (bias,):
            loss, gradients = BOTH(y, weight, backend.asarray(LABELS), **words, block_bytes=80)
            assert_follows(loss, y, dtype="float64" if dtype == "float64" else "float32")
            assert len(gradients) == 2 + len(words)
            for gradient, like in zip(gradients, (y, weight, *words.values()), strict=True):
                assert_follows(gradient, like)
                assert gradient.shape == like.shape


def test_targets_and_arrays_of_any_layout() -> None:
    """On NumPy columns, steps and a feature axis anywhere give the same up to rounding."""
    want = BOTH(Y, WEIGHT, LABELS, bias=BIAS, label_smoothing=0.1)
    twice = np.repeat(Y, 2, axis=1)[:, ::2]
    cubes = np.ascontiguousarray(Y[:10].reshape(5, 2, 6).transpose(0, 2, 1))
    for y in (np.asfortranarray(Y), twice, Y[::-1][::-1]):
        for weight in (np.asfortranarray(WEIGHT), np.repeat(WEIGHT, 3, axis=0)[::3]):
            loss, gradients = BOTH(y, weight, LABELS, bias=BIAS[::-1][::-1], label_smoothing=0.1)
            assert_close(loss, want[0], ulps=8)
            for got, expected in zip(gradients, want[1], strict=True):
                assert_close(got, expected, ulps=32, scale=1.0)
    loss, gradients = BOTH(cubes, WEIGHT, LABELS[:10].reshape(5, 2), axis=1, bias=BIAS)
    expected = BOTH(Y[:10], WEIGHT, LABELS[:10], bias=BIAS)
    assert_close(loss, expected[0], ulps=8)
    assert gradients[0].shape == (5, 6, 2)
    found = gradients[0].transpose(0, 2, 1).reshape(10, 6)
    assert_close(found, expected[1][0], ulps=32, scale=1.0)


def test_inputs_are_never_changed(backend: Variant) -> None:
    """After the call the bytes of all arguments are what they were."""
    if backend.row == "jax":
        pytest.skip("JAX arrays never change")
    for dtype in backend.dtypes:
        y, weight, words = layer_of(backend, dtype)
        words |= {
            "targets": backend.asarray(LABELS),
            "label_smoothing": backend.asarray(np.linspace(0, 0.5, 11), dtype),
            "prior": backend.asarray(np.full(5, 0.25) * [1, 0, 1, 1, 1], dtype),
            "sample_weight": backend.asarray(np.arange(11.0), dtype),
            "where": backend.asarray(LABELS != 3),
        }
        given = {"y": y, "weight": weight, **words}
        before = {name: backend.to_numpy(value).tobytes() for name, value in given.items()}
        BOTH(y, weight, block_bytes=80, **words)
        st.linear_cross_entropy(y, weight, **words)
        for name, value in given.items():
            assert backend.to_numpy(value).tobytes() == before[name], name


def test_reductions_of_one_row_each(backend: Variant) -> None:
    """With "none" the gradients are those of the sum, and a row without an axis has one loss."""
    y, weight, bias = layer_of(backend)
    labels = backend.asarray(LABELS)
    none, by_row = BOTH(y, weight, labels, **bias, reduction="none")
    total, summed = BOTH(y, weight, labels, **bias, reduction="sum")
    assert tuple(none.shape) == (11,)
    assert_close(total, float(host(none).sum()), ulps=8)
    for got, want in zip(by_row, summed, strict=True):
        assert_close(got, want, ulps=8, scale=1.0)
    loss, gradients = BOTH(y[3, :], weight, labels[3], **bias, reduction="none")
    assert tuple(loss.shape) == ()
    assert tuple(gradients[0].shape) == (6,)
    assert_close(loss, float(host(none)[3]), ulps=8)
    assert_close(gradients[0], host(by_row[0])[3].tolist(), ulps=16, scale=1.0)
