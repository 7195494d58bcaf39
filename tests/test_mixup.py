"""Plans of mixing and mixup of a batch (trap T36)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, assert_same_bits, to_numpy
from tests.reference import examples

Y = [0, 2, 1, 1, 0]
#: The pairings as others have them: timm flips the batch, torchvision rolls it by one.
ORDERS = {"flip": [4, 3, 2, 1, 0], "roll": [4, 0, 1, 2, 3]}


def host(array: Any) -> Any:
    """Return the values in NumPy's float64."""
    return to_numpy(array).astype(np.float64)


def test_definition(backend: Variant, rng: np.random.Generator) -> None:
    """Inputs and targets are lam * row + (1 - lam) * partner, of the same lam and partner."""
    x = rng.standard_normal((5, 2, 3, 3))
    partner, lam = np.array([1, 4, 2, 0, 3]), np.array([0.25, 0.5, 1.0, 0.875, 0.0])
    labels = backend.asarray(Y)
    for share in (0.625, lam):
        plan = st.Mixing(partner, share)
        column = np.broadcast_to(share, 5)[:, None]
        for dtype in backend.dtypes:
            inputs = backend.asarray(x, dtype)
            mixed = plan.mix_inputs(inputs)
            assert_follows(mixed, inputs)
            wide = host(inputs).reshape(5, -1)
            want = (column * wide + (1 - column) * wide[partner]).reshape(x.shape)
            # Two products, a sum, and for half precision the rounding to it.
            assert_close(mixed, want, ulps=2, scale=4.0)
        rows = column * np.eye(3)[Y] + (1 - column) * np.eye(3)[np.array(Y)[partner]]
        assert_close(plan.mix_targets(labels, num_classes=3).to_dense(), rows, ulps=0)


@pytest.mark.parametrize("pairing", ORDERS)
def test_pairings(pairing: Any) -> None:
    """Pairing by "flip" is that of timm and "roll" torchvision's, in odd batches too (T36)."""
    plan = st.Mixing.sample_mixup(5, pairing=pairing, rng=0)
    assert plan.partner.tolist() == ORDERS[pairing]
    assert plan.box is None
    assert isinstance(plan.lam, float)


def test_permutation() -> None:
    """A permutation names each row once, and differs from one plan to the next."""
    rng = np.random.default_rng(1)
    plans = [st.Mixing.sample_mixup(50, rng=rng).partner.tolist() for _ in range(3)]
    assert all(sorted(plan) == list(range(50)) for plan in plans)
    assert plans[0] != plans[1] != plans[2]


@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_one_lam_for_a_pair(size: int) -> None:
    """A row and its partner share a lam: the two mixtures add up to the two rows."""
    plan = st.Mixing.sample_mixup(size, per="pair", pairing="flip", rng=3)
    assert len(set(plan.lam.tolist())) == (size + 1) // 2
    assert np.array_equal(plan.lam, plan.lam[::-1])
    x = np.arange(2.0 * size).reshape(size, 2)
    mixed = plan.mix_inputs(x)
    np.testing.assert_allclose(mixed + mixed[plan.partner], x + x[plan.partner], rtol=1e-14)


def test_one_lam_for_a_row() -> None:
    """Each row has a lam of its own, and all of them follow Beta(alpha, alpha)."""
    for alpha in (0.2, 1.0, 4.0):
        lam = st.Mixing.sample_mixup(20_000, alpha=alpha, per="row", rng=5).lam
        assert len(set(lam.tolist())) > 19_000
        # Beta(a, a): mean 1/2, variance 1/(4 (2a + 1)); five standard errors of 20,000 draws.
        assert abs(np.mean(lam) - 0.5) < 5 * np.sqrt(0.25 / (2 * alpha + 1) / 20_000)
        assert abs(np.var(lam) * 4 * (2 * alpha + 1) - 1) < 0.06


def test_seeds() -> None:
    """The same seed gives the same plan, a generator goes on, and no seed another plan (SPEC 7)."""

    def lam(rng: Any) -> float:
        return float(st.Mixing.sample_mixup(3, rng=rng).lam)

    assert lam(7) == lam(7) == lam(np.random.default_rng(7))
    assert lam(np.random.SeedSequence(7)) == lam(7) != lam(8)
    rng = np.random.default_rng(7)
    assert lam(rng) != lam(rng)
    assert lam(None) != lam(None)


def test_mixup(backend: Variant, rng: np.random.Generator) -> None:
    """One call is one plan for inputs and targets, whatever form the targets have."""
    x = backend.asarray(rng.standard_normal((5, 4)), "float32")
    plan = st.Mixing.sample_mixup(5, alpha=0.4, per="row", rng=11)
    words = {"alpha": 0.4, "per": "row", "rng": 11}
    rows = (
        plan.lam[:, None] * np.eye(3)[Y]
        + (1 - plan.lam[:, None]) * np.eye(3)[np.array(Y)[plan.partner]]
    )
    labels = backend.asarray(Y)
    for targets, count in (
        (labels, 3),
        (st.one_hot(labels, 3), None),
        (st.Targets.from_labels(labels, 3), None),
        (st.Targets.from_labels(labels, 3), 3),
    ):
        mixed, soft = st.mixup(x, targets, num_classes=count, **words)
        assert_same_bits(mixed, plan.mix_inputs(x))
        # Without float64 lam is rounded, and 1 - lam carries its error.
        assert_close(soft.to_dense(), rows, ulps=2, scale=1.0, dtype="float32")
        assert_close(soft.mass(), [1.0] * 5, ulps=2)
    # Nothing dense: the value holds the labels of both sides.
    assert "labels, labels" in repr(st.mixup(x, labels, num_classes=3, rng=0)[1])


def test_loss_of_a_mixed_batch(backend: Variant, rng: np.random.Generator) -> None:
    """The loss of a mixed batch is lam * loss of one + (1 - lam) * loss of the other labels."""
    x = backend.asarray(rng.standard_normal((5, 3)), "float32")
    labels = backend.asarray(Y)
    plan = st.Mixing.sample_mixup(5, per="row", rng=2)
    partners = backend.asarray(np.array(Y)[plan.partner])
    first, second = (
        host(st.cross_entropy(x, y, label_smoothing=0.1, reduction="none"))
        for y in (labels, partners)
    )
    mixed = plan.mix_targets(labels, num_classes=3).smooth(0.1)
    got = st.cross_entropy(x, mixed, reduction="none")
    assert_close(got, plan.lam * first + (1 - plan.lam) * second, ulps=8, scale=4.0)


def test_smoothing_and_mixing_commute(backend: Variant) -> None:
    """To smooth a mixture is to mix smoothed targets (T36)."""
    t = st.Targets.from_labels(backend.asarray(Y), 3)

    @examples(backend, 0.2)
    @given(seed=some.integers(0, 2**32 - 1), epsilon=some.floats(0, 0.6), spread=some.booleans())
    def try_one(seed: int, epsilon: float, spread: bool) -> None:
        plan = st.Mixing.sample_mixup(5, per="row", rng=seed)
        way: Any = {"spread": "others" if spread else "all"}
        first = plan.mix_targets(t.smooth(epsilon, **way))
        second = plan.mix_targets(t).smooth(epsilon, **way)
        assert_close(first.to_dense(), host(second.to_dense()), ulps=4, scale=1.0)
        assert_close(first.mass(), [1.0] * 5, ulps=4)

    try_one()


def test_permuted_classes(backend: Variant) -> None:
    """Renaming the classes renames them in the mixture, and changes nothing else."""
    plan = st.Mixing.sample_mixup(5, per="row", rng=9)
    names = np.array([2, 0, 1])
    one = plan.mix_targets(backend.asarray(Y), num_classes=3).to_dense()
    two = plan.mix_targets(backend.asarray(names[Y]), num_classes=3).to_dense()
    np.testing.assert_array_equal(host(two)[:, names], host(one))


def test_arrays_of_the_library(backend: Variant) -> None:
    """A plan may hold arrays of the library of the inputs, as compiled code needs them."""
    partner = backend.asarray([1, 0, 2], backend.int_dtypes[0])
    x = backend.asarray([[0.0], [4.0], [8.0]], "float32")
    for lam in (backend.asarray(0.75, "float32"), backend.asarray([0.75, 0.75, 0.75], "float32")):
        plan = st.Mixing(partner, lam)
        assert_close(plan.mix_inputs(x), [[1.0], [3.0], [8.0]], ulps=0)
        soft = plan.mix_targets(backend.asarray([0, 1, 1]), num_classes=2)
        assert_close(soft.to_dense(), [[0.75, 0.25], [0.25, 0.75], [0.0, 1.0]], ulps=0)


def test_targets_with_more_axes(backend: Variant) -> None:
    """Targets of a sequence are mixed with those of the partner, step by step."""
    steps = np.array([[0, 1], [2, -100], [1, 1]])
    plan = st.Mixing(np.array([1, 2, 0]), np.array([0.75, 0.5, 1.0]))
    soft = plan.mix_targets(backend.asarray(steps), num_classes=3)
    hard = np.where(steps[..., None] < 0, 0.0, np.eye(3)[np.maximum(steps, 0)])
    lam = plan.lam[:, None, None]
    assert_close(soft.to_dense(), lam * hard + (1 - lam) * hard[plan.partner], ulps=0)


def test_compiled_once() -> None:
    """In JAX a plan of traced arrays is mixed without compiling again for another lam."""
    jax = pytest.importorskip("jax")
    traces = []

    @jax.jit
    def step(x: Any, labels: Any, partner: Any, lam: Any) -> Any:
        traces.append(None)
        plan = st.Mixing(partner, lam)
        mixed = plan.mix_targets(labels, num_classes=3)
        return st.cross_entropy(plan.mix_inputs(x), mixed, reduction="none")

    x = jax.numpy.asarray(np.arange(15.0).reshape(5, 3) % 4)
    for seed in range(3):
        plan = st.Mixing.sample_mixup(5, per="row", rng=seed)
        lam = jax.numpy.asarray(plan.lam)
        got = step(x, jax.numpy.asarray(Y), jax.numpy.asarray(plan.partner), lam)
        soft = plan.mix_targets(jax.numpy.asarray(Y), num_classes=3)
        want = st.cross_entropy(plan.mix_inputs(x), soft, reduction="none")
        assert_close(got, to_numpy(want), ulps=8, scale=4.0)
    assert len(traces) == 1
