"""Losses of noisy labels: published values, what they are on average, both signs of smoothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets._array.inverse import inverse
from tests.backends import Variant, assert_close, assert_same_bits
from tests.losses import once_per_library, silent_on_dask
from tests.reference import widest

once = once_per_library()
Z4 = [[2.0, 0.5, -1.0, 0.3]]
BACKWARD = [-0.1882176599, 1.8572368856, 3.9026914310, 2.1299641583]
RNG = np.random.default_rng(12)
X = RNG.standard_normal((4, 4)) * 2
LABELS = np.array([0, 3, 1, 2])
TABLE = 0.5 * np.eye(4) + 0.5 * RNG.dirichlet(np.ones(4), 4)
ROWS = {"reduction": "none"}


def near(got: Any, want: Any) -> None:
    """Within what a few sums and quotients of numbers up to 8 round to, and a matrix to invert."""
    assert_close(got, want, ulps=64, scale=8.0)


def test_published_values(backend: Variant) -> None:
    """The backward loss of four labels is published; negative smoothing is the same (T12)."""
    dtype = widest(backend)[0]
    x = backend.asarray(Z4 * 4, dtype)
    labels = backend.asarray([0, 1, 2, 3])
    noise = st.noise_transition(4, 0.2, like=x)
    tolerance = 6e-11 if dtype == "float64" else 4e-6
    smooth = st.value_and_grad(st.generalized_smoothing)(x, labels, -0.2 / 0.55, **ROWS)
    found = st.value_and_grad(st.backward_correction)(x, labels, noise, **ROWS)
    for loss in (smooth[0], found[0]):
        np.testing.assert_allclose(backend.to_numpy(loss), BACKWARD, rtol=0, atol=tolerance)
    near(found[1], smooth[1])
    mean = backend.to_numpy(found[0]) @ [0.8, 0.2 / 3, 0.2 / 3, 0.2 / 3]
    np.testing.assert_allclose(mean, 0.3754187038, rtol=0, atol=tolerance)


def test_means_over_the_noise(backend: Variant) -> None:
    """The mean of the backward loss over the labels that the noise makes is the loss of the class;
    the forward loss is the cross-entropy with the softmax after the noise.
    """
    dtype = widest(backend)[0]
    x, table = backend.asarray(X, dtype), backend.asarray(TABLE, dtype)
    p = np.exp(X) / np.exp(X).sum(1, keepdims=True)
    means, forward = np.zeros((4, 4)), np.zeros((4, 4))
    for label in range(4):
        labels = backend.asarray(np.full(4, label))
        means[:, label] = backend.to_numpy(st.backward_correction(x, labels, table, **ROWS))
        forward[:, label] = backend.to_numpy(st.forward_correction(x, labels, table, **ROWS))
    scale = 1.0 if dtype == "float64" else 2.0**29
    np.testing.assert_allclose(means @ TABLE.T, -np.log(p), rtol=0, atol=1e-13 * scale)
    np.testing.assert_allclose(forward, -np.log(p @ TABLE), rtol=0, atol=1e-14 * scale)


def test_no_noise(backend: Variant) -> None:
    """Without any noise both corrections are the cross-entropy."""
    dtype = widest(backend)[0]
    x, labels = backend.asarray(X, dtype), backend.asarray(LABELS)
    want = st.value_and_grad(st.cross_entropy)(x, labels)
    eye = backend.asarray(np.eye(4), dtype)
    for function in (st.forward_correction, st.backward_correction):
        for got, expected in zip(st.value_and_grad(function)(x, labels, eye), want, strict=True):
            assert_close(got, expected, ulps=8, scale=1.0)


def test_forward_infimum() -> None:
    """As the gap grows the forward loss falls to -log(1 - a + a/K), and never gets there."""
    noise = st.noise_transition(4, 0.15)
    losses = []
    for gap in (2.0, 8.0, 16.0, 50.0):
        losses.append(
            float(st.forward_correction(np.array([[gap, 0, 0, 0]]), np.array([0]), noise))
        )
    assert losses == sorted(losses, reverse=True)
    np.testing.assert_allclose(losses[-1], -np.log(0.85), rtol=1e-12)
    assert losses[-2] > -np.log(0.85)


def test_negative_rates_have_no_floor(backend: Variant) -> None:
    """With a negative rate the loss falls for ever along the gap; from 0 to 1 it is smoothing."""
    dtype = widest(backend)[0]
    labels = backend.asarray([0])
    losses = [
        float(backend.to_numpy(st.generalized_smoothing(
            backend.asarray([[gap, 0.0, 0.0, 0.0]], dtype), labels, -0.5)))
        for gap in (10.0, 100.0, 1000.0)
    ]  # fmt: skip
    np.testing.assert_allclose(losses[2] - losses[1], 900 * -0.5 * 0.75, rtol=1e-4)
    assert losses[0] > losses[1] > losses[2]
    x, labels = backend.asarray(X, dtype), backend.asarray(LABELS)
    prior = backend.asarray([0.1, 0.2, 0.3, 0.4], dtype)
    dense = backend.asarray(np.eye(4)[LABELS], dtype)
    for targets in (labels, dense, st.Targets.from_labels(labels, 4)):
        for rate in (0.25, backend.asarray(np.array([0.25, 0.0, 1.0, 0.5]), dtype)):
            ours = st.value_and_grad(st.generalized_smoothing)(x, targets, rate, prior=prior)
            want = st.value_and_grad(st.cross_entropy)(
                x, targets, label_smoothing=rate, prior=prior
            )
            assert_same_bits(ours[0], want[0])
            assert_same_bits(ours[1], want[1])


@silent_on_dask
def test_impossible_labels(backend: Variant) -> None:
    """A label that no class with a finite logit can give costs infinity; ignored ones nothing."""
    dtype = widest(backend)[0]
    table = backend.asarray([[1.0, 0.0], [0.0, 1.0]], dtype)
    x = backend.asarray([[0.0, -np.inf], [0.0, -np.inf], [np.nan, 1.0], [-np.inf, -np.inf]], dtype)
    labels = backend.asarray([1, 0, -100, 0])
    loss, slope = st.value_and_grad(st.forward_correction)(x, labels, table, **ROWS)
    np.testing.assert_array_equal(backend.to_numpy(loss), [np.inf, 0.0, 0.0, np.nan])
    np.testing.assert_array_equal(backend.to_numpy(slope)[1:3], 0.0)


@silent_on_dask
def test_bad_labels(backend: Variant) -> None:
    """A label out of range raises where looking is free, and is nan elsewhere."""
    dtype = widest(backend)[0]
    x, table = backend.asarray(X, dtype), backend.asarray(TABLE, dtype)
    labels = backend.asarray([0, 4, -1, 2])
    for function in (st.forward_correction, st.backward_correction):
        if backend.may_look:
            with pytest.raises(ValueError, match=r"labels must be in \[0, 4\)"):
                function(x, labels, table)
            continue
        loss, slope = st.value_and_grad(function)(x, labels, table, **ROWS)
        np.testing.assert_array_equal(np.isnan(backend.to_numpy(loss)), [False, True, True, False])
        assert np.all(np.isnan(backend.to_numpy(slope)[1:3]))


@pytest.mark.parametrize("size", [1, 2, 5])
@silent_on_dask
def test_inverse(backend: Variant, size: int) -> None:
    """The inverse is one, also where a pivot is 0; that of a singular matrix is not finite."""
    dtype = widest(backend)[0]
    data = np.roll(np.eye(size), 1, axis=0) * 2 + 0.25 * np.triu(np.ones((size, size)), 1)
    found = backend.to_numpy(inverse(backend.xp, backend.asarray(data, dtype)))
    tolerance = 1e-13 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(found @ data, np.eye(size), rtol=0, atol=tolerance)
    with np.errstate(all="ignore"):
        singular = inverse(backend.xp, backend.asarray(np.zeros((size, size)), dtype))
        assert not np.any(np.isfinite(backend.to_numpy(singular)))
