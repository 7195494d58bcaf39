"""Which loss has which property: shift invariance, convexity, the order of classes, a least value.

Where a property does not hold, a test finds where it fails.
"""

from __future__ import annotations

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close
from tests.losses import LOSSES, Loss
from tests.reference import widest

every = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
ROWS, CLASSES = 300, 4
LABELS = np.random.default_rng(1).integers(0, CLASSES, ROWS)
NOT_CONVEX = {"unsure", "reverse kl", "js", "js, weighted", "focal", "forward correction"}
#: Losses that fall below 0, and for ever.
NO_FLOOR = {"generalized", "backward correction"}


@pytest.fixture(autouse=True)
def not_slow(request: pytest.FixtureRequest) -> None:
    """Leave out libraries that build every expression anew: it is the same expression."""
    if "backend" in request.fixturenames:
        backend = request.getfixturevalue("backend")
        if backend.row in ("jax", "dask"):
            pytest.skip(f"{backend.name} takes long to say the same")


def rows(scale: float) -> np.ndarray:
    return np.random.default_rng(2).standard_normal((2, ROWS, CLASSES)) * scale


@every
def test_shift(backend: Variant, loss: Loss) -> None:
    """An offset of all logits of a row changes no softmax loss, and its gradient sums to 0."""
    dtype = widest(backend)[0]
    x = np.round(rows(3.0)[0])
    offset = np.random.default_rng(3).integers(-100, 100, (ROWS, 1)) * 8.0
    labels = backend.asarray(LABELS)
    value, slope = loss.with_gradient(backend.asarray(x, dtype), labels, reduction="none")
    moved = loss(backend.asarray(x + offset, dtype), labels, reduction="none")
    if loss.binary:
        assert np.max(np.abs(backend.to_numpy(moved) - backend.to_numpy(value))) > 1
        return
    # The teacher of "distillation" is the same; temperatures that are powers of 2 round nothing.
    assert_close(moved, value, ulps=0)
    assert_close(np.sum(backend.to_numpy(slope), axis=1), np.zeros(ROWS), ulps=16, scale=2.0)


@every
def test_convexity(backend: Variant, loss: Loss) -> None:
    """A convex loss lies below its chords; one that is not has chords below it."""
    dtype = widest(backend)[0]
    first, second = rows(4.0)
    labels = backend.asarray(LABELS)
    ends = [
        backend.to_numpy(loss(backend.asarray(x, dtype), labels, reduction="none"))
        for x in (first, second)
    ]
    between = loss(backend.asarray((first + second) / 2, dtype), labels, reduction="none")
    over = backend.to_numpy(between) - (ends[0] + ends[1]) / 2
    if loss.name in NOT_CONVEX:
        assert np.max(over) > 1e-3
    else:
        assert np.max(over) <= (1e-13 if dtype == "float64" else 1e-4)


@every
def test_order_of_classes(backend: Variant, loss: Loss) -> None:
    """Classes have no order: permuted logits and labels give the same loss."""
    dtype = widest(backend)[0]
    x, order = rows(3.0)[0], np.array([2, 0, 3, 1])
    value, slope = loss.with_gradient(
        backend.asarray(x, dtype), backend.asarray(LABELS), reduction="none"
    )
    back = np.argsort(order)
    moved, slopes = loss.with_gradient(
        backend.asarray(x[:, order], dtype), backend.asarray(back[LABELS]), reduction="none"
    )
    assert_close(moved, value, ulps=64, scale=8.0)
    assert_close(slopes, backend.to_numpy(slope)[:, order], ulps=64, scale=2.0)


@every
def test_floor(backend: Variant, loss: Loss) -> None:
    """All losses are at least 0, except those whose targets are negative somewhere."""
    dtype = widest(backend)[0]
    x = np.concatenate([rows(1.0)[0], rows(50.0)[1]])
    labels = backend.asarray(np.concatenate([LABELS, LABELS]))
    values = backend.to_numpy(loss(backend.asarray(x, dtype), labels, reduction="none"))
    if loss.name in NO_FLOOR:
        assert np.min(values) < -10
    else:
        assert np.min(values) > (-1e-14 if dtype == "float64" else -1e-5)


def test_z_loss_is_neither(backend: Variant) -> None:
    """With the z-loss an offset counts, and far below a logsumexp of 0 a chord lies below it."""
    dtype = widest(backend)[0]
    ends = np.array([[-8.0, -10.0], [-10.0, -8.0], [-9.0, -9.0]])
    x = backend.asarray(ends, dtype)
    words = {"label_smoothing": 1.0, "z_loss": 1.0, "reduction": "none"}
    found = backend.to_numpy(st.cross_entropy(x, backend.asarray([0, 0, 0]), **words))
    assert found[2] > (found[0] + found[1]) / 2 + 1
    moved = backend.to_numpy(st.cross_entropy(x + 9.0, backend.asarray([0, 0, 0]), **words))
    assert np.all(moved < found - 50)


def test_poly_is_convex_up_to_strength_one(backend: Variant) -> None:
    """Poly-1 is convex for strengths up to 1 and for none above."""
    dtype = widest(backend)[0]
    gaps = np.linspace(-6, 6, 241)
    x = backend.asarray(np.stack([gaps, np.zeros(241)], axis=1), dtype)
    labels = backend.asarray(np.zeros(241, dtype=np.int64))
    for strength in (1.0, 2.0):
        values = st.poly_loss(x, labels, strength=strength, reduction="none")
        bend = np.diff(backend.to_numpy(values).astype(float), 2) / 0.05**2
        assert (np.min(bend) < -1e-2) == (strength > 1)


@pytest.mark.parametrize(
    ("count", "beta", "gap"),
    [(10, 1.0, 2.1010029973), (10, 0.5, 2.9459438377), (10, 2.5, 1.3413616905),
     (2, 1.0, 1.2784645428), (1000, 0.1, 10.3270332630)],
)  # fmt: skip
def test_optimal_gap_of_the_penalty(count: int, beta: float, gap: float) -> None:
    """The gap g of the best logits satisfies g p(g) = 1 / beta, by bisection; a threshold above
    log K moves no optimum, and one of 0 leaves the cross-entropy, which has none (T9).
    """
    for threshold in (None, 2.0 * np.log(count)):
        low, high = 0.0, 50.0
        for _ in range(70):
            middle = (low + high) / 2
            x = np.zeros((1, count))
            x[0, 0] = middle
            words = {"confidence_penalty": beta, "entropy_threshold": threshold}
            _, slope = st.value_and_grad(st.cross_entropy)(x, np.array([0]), **words)
            low, high = (low, middle) if slope[0, 0] > 0 else (middle, high)
        np.testing.assert_allclose(low, gap, rtol=0, atol=6e-11)
    x = np.array([[30.0, 0.0, 0.0]])
    words = {"confidence_penalty": beta, "entropy_threshold": 0.0}
    assert st.cross_entropy(x, np.array([0]), **words) == st.cross_entropy(x, np.array([0]))
