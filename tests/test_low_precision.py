"""Half precision in, float32 inside; reductions of many rows (traps T18 to T24)."""

import math
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets.losses.reductions import make_reducer
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits, dtype_name

BOTH = st.value_and_grad(st.cross_entropy)


@pytest.fixture(params=["float16", "bfloat16"])
def half(request: pytest.FixtureRequest, backend: Variant) -> str:
    """Each half precision dtype that the backend has."""
    if request.param not in backend.dtypes:
        pytest.skip(f"{backend.name} has no {request.param}")
    return str(request.param)


def rounded(backend: Variant, data: Any, dtype: str) -> Any:
    """Return what the data become in ``dtype``, in float64."""
    return backend.to_numpy(backend.asarray(data, dtype)).astype(np.float64)


def reference(x: Any, q: Any) -> tuple[Any, Any]:
    """Return the losses and gradients of rows x classes in float64."""
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    return -np.sum(q * np.log(p), axis=1), np.sum(q, axis=1, keepdims=True) * p - q


@pytest.mark.parametrize("kind", ["labels", "smooth", "dense"])
def test_mean_of_many_rows(
    backend: Variant, half: str, kind: str, rng: np.random.Generator
) -> None:
    """The mean over 16384 x 64 half precision logits neither overflows nor drifts (T18)."""
    data = rng.normal(0, 3, (16384, 64)).astype(np.float32)
    labels = rng.integers(0, 64, 16384)
    x = rounded(backend, data, half)
    top = x.max(axis=1)
    losses = top + np.log(np.sum(np.exp(x - top[:, None]), axis=1))
    at_label = x[np.arange(16384), labels]
    epsilon = 0.1 if kind == "smooth" else 0.0
    losses -= (1 - epsilon) * at_label + epsilon * x.mean(axis=1)
    targets, words = backend.asarray(labels), {"label_smoothing": epsilon}
    if kind == "dense":
        targets = st.one_hot(targets, 64, dtype=backend.asarray([0], half).dtype)
    loss = st.cross_entropy(backend.asarray(data, half), targets, **words)
    assert_follows(loss, loss, dtype="float32")
    assert_close(loss, float(np.mean(losses)), ulps=4)


def test_many_classes(backend: Variant, half: str) -> None:
    """60,000 equal classes have the loss log K, smoothed or not (T19)."""
    x = backend.asarray(np.full((2, 60_000), 100.0), half)
    loss, gradient = BOTH(x, backend.asarray([0, 59_999]), label_smoothing=0.1, reduction="none")
    assert_close(loss, [math.log(60_000)] * 2, ulps=4)  # 11.0021
    # Below 2**-14 the numbers of float16 are 2**-24 apart.
    share = 0.9 / 60_000
    assert_close(gradient[:, 0], [share - 0.9, share], ulps=0.51, scale=[1.0, 2.0**-14])


def test_shares_are_never_stored_in_half_precision(backend: Variant, half: str) -> None:
    """The share e / K of 128,000 classes stays a float32 number, so rows sum to 1 (T20)."""
    count = 128_000
    labels, epsilon = backend.asarray([5]), backend.asarray(0.125, half)
    targets = st.Targets.from_labels(labels, count).smooth(epsilon)
    assert_close(targets.to_dense(dtype=backend.xp.float32)[0, 0], 0.125 / count, ulps=1)
    assert_close(targets.mass(), [1.0], ulps=2)
    # The loss sees e / K itself: with one logit at K and the others 0 it is K (1 - e / K).
    x = np.zeros((1, count))
    x[0, 9] = 2.0**15
    loss = st.cross_entropy(backend.asarray(x, half), labels, label_smoothing=epsilon)
    assert_close(loss, 2.0**15 * (1 - 0.125 / count), ulps=2)


def test_dtypes_of_results(backend: Variant) -> None:
    """The loss is float32 for half precision, the gradient has the dtype of the logits (T21)."""
    for dtype in backend.dtypes:
        x = backend.asarray([[4.75, 0.0, 0.0], [0.0, 4.75, 0.0]], dtype)
        weight = backend.asarray([1.0, 2.0, 0.5], backend.dtypes[-1])
        for reduction in ("none", "sum", "mean"):
            loss, gradient = BOTH(
                x, backend.asarray([1, 0]), class_weight=weight, reduction=reduction
            )
            assert_follows(loss, x, dtype="float64" if dtype == "float64" else "float32")
            assert_follows(gradient, x)
            alone = st.cross_entropy(
                x, backend.asarray([1, 0]), class_weight=weight, reduction=reduction
            )
            assert_same_bits(alone, loss)


def test_loss_is_not_rounded_to_half(backend: Variant, half: str) -> None:
    """A loss between two half precision numbers comes back as it is (T21)."""
    x = backend.asarray([[4.75, 0.0]], half)
    assert_close(st.cross_entropy(x, backend.asarray([1])), 4.758614420751683, ulps=1)


def test_gradient_is_rounded_once(backend: Variant, half: str) -> None:
    """The small p - q of a confident row is computed before it is rounded (T22)."""
    x = np.array([[7.0, 0.0, -1.0], [0.5, -7.0, 0.25]])
    q = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    _, expected = reference(x, q)
    targets = backend.asarray([0, 0])
    _, gradient = BOTH(backend.asarray(x, half), targets, reduction="sum")
    # Half an ulp of rounding to half precision, and what float32 left before.
    assert_close(gradient, expected, ulps=0.51)


def test_labels_never_become_floats(backend: Variant, half: str) -> None:
    """Labels that half precision cannot hold keep their class (T23)."""
    x = np.zeros((3, 5000))
    labels = [257, 4097, 2049]
    x[[0, 1, 2], labels] = 10.0
    loss = st.cross_entropy(backend.asarray(x, half), backend.asarray(labels), reduction="none")
    assert_close(loss, [math.log1p(4999 * math.exp(-10))] * 3, ulps=8, scale=1.0)  # 0.2045


def test_soft_targets_of_another_precision(backend: Variant, half: str) -> None:
    """Weights, priors and targets are brought to the compute dtype, never the reverse."""
    x = np.array([[0.5, -1.25, 2.0], [3.0, 0.0, -0.75]])
    q = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])
    for narrow, wide in ((half, "float32"), ("float32", half)):
        held = rounded(backend, q, wide)
        targets = st.Targets.from_distributions(backend.asarray(q, wide), check=False)
        loss = st.cross_entropy(backend.asarray(x, narrow), targets, reduction="none")
        assert dtype_name(loss) == "float32"
        assert_close(loss, reference(x, held)[0], ulps=8, scale=4.0)


def test_sums_over_many_rows(backend: Variant) -> None:
    """Counts and sums of 20 million rows in float32 are right to a few ulp (T24)."""
    xp, count = backend.xp, 20_000_000
    ones = xp.ones_like(backend.asarray(np.zeros((count, 1), np.float32)))
    weight = ones * 0.1
    reducer = make_reducer(xp, "mean", ones, ones, (count,), None, None)
    assert_close(reducer.denominator, float(count), ulps=4)
    tenth = float(np.float32(0.1))
    assert_close(reducer.value(weight), tenth, ulps=8)
    weighted = make_reducer(xp, "sum", ones, ones, (count,), weight, None)
    assert_close(weighted.value(ones), tenth * count, ulps=8)
