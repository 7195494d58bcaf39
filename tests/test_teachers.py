"""Targets from the logits of a teacher (traps T39 and T40)."""

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import softtargets as st
from tests.backends import Variant, assert_close, assert_follows, to_numpy
from tests.reference import examples

BOTH = st.value_and_grad(st.cross_entropy)
TAILS = ("bucket", "drop", "renormalize")
INF = float("inf")
Z = np.array([[3.0, 1.0, -2.0, 0.5], [0.0, 0.0, 4.0, 0.0], [-1.5, 2.5, 2.0, -10.0]])


def exact(logits: Any, temperature: float = 1.0) -> np.ndarray:
    """Return the softmax with 50 digits."""
    with mpmath.workdps(50):
        rows = []
        for row in np.asarray(logits).tolist():
            powers = [mpmath.exp(mpmath.mpf(x) / temperature) for x in row]
            rows.append([float(power / sum(powers)) for power in powers])
    return np.array(rows)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 0.25])
def test_definition(backend: Variant, temperature: float) -> None:
    """Targets are the softmax of the logits over the temperature, at least in float32."""
    for dtype in backend.dtypes:
        logits = backend.asarray(Z, dtype)
        dense = st.Targets.from_teacher(logits, temperature=temperature).to_dense()
        wide = "float32" if dtype in ("float16", "bfloat16") else dtype
        assert_follows(dense, logits, dtype=wide)
        # The exponent, at most 50, carries its rounding into the power.
        assert_close(dense, exact(Z, temperature), ulps=56)
    tensor = backend.asarray(temperature, "float32")
    again = st.Targets.from_teacher(backend.asarray(Z, "float32"), temperature=tensor)
    assert_close(again.to_dense(), exact(Z, temperature), ulps=56)


def test_class_axis(backend: Variant) -> None:
    """The class axis may be anywhere; rows keep the order of the other axes."""
    z = np.stack([Z, Z + np.arange(4)])
    for axis in (1,) if backend.row == "jax" else (0, 1, -1):
        logits = backend.asarray(np.moveaxis(z, -1, axis), "float32")
        for words in ({}, {"top_k": 2, "tail": "drop"}):
            targets: Any = st.Targets.from_teacher(logits, axis=axis, **words)
            last: Any = st.Targets.from_teacher(backend.asarray(z, "float32"), **words)
            assert targets.shape == (2, 3, 4)
            want = to_numpy(last.to_dense())
            assert_close(targets.to_dense(), want, ulps=4, dtype="float32")


def test_extreme_logits(backend: Variant) -> None:
    """Offsets and small temperatures overflow nothing; -inf is exactly 0 (T40)."""
    logits = backend.asarray([[1e30, 1e30, -1e30], [-INF, 5.0, -INF]], "float32")
    for temperature in (1.0, 1e-7):
        dense = st.Targets.from_teacher(logits, temperature=temperature).to_dense()
        assert_close(dense, [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]], ulps=0)


def test_all_classes(backend: Variant) -> None:
    """All classes of a teacher as a list give the loss and gradient of the dense ones (T40)."""
    logits = backend.asarray(Z, "float32")
    x = backend.asarray(Z[::-1].copy(), "float32")
    want = BOTH(x, st.Targets.from_teacher(logits))
    for tail in TAILS[:1] if backend.row == "jax" else TAILS:
        ours = BOTH(x, st.Targets.from_teacher(logits, top_k=4, tail=tail))  # type: ignore[arg-type]
        assert_close(ours[0], float(want[0]), ulps=8, scale=4.0)
        assert_close(ours[1], to_numpy(want[1]), ulps=8, scale=1.0)


def lists(backend: Variant) -> Any:
    """Return which tails and how many classes to try: JAX compiles every case anew."""
    return [("bucket", 2)] if backend.row == "jax" else itertools.product(TAILS, (1, 2, 3))


def test_best_classes(backend: Variant) -> None:
    """The best k classes keep their probability among all, of equal ones the first (T40)."""
    for tail, top_k in lists(backend):
        try_best_classes(backend, tail, top_k)


def try_best_classes(backend: Variant, tail: Any, top_k: int) -> None:
    """Compare a list made of logits with one made of probabilities."""
    p = exact(Z, 2.0)
    order = np.argsort(-Z, axis=1, kind="stable")[:, :top_k]
    weights = backend.asarray(np.take_along_axis(p, order, axis=1), "float32")
    by_hand = st.Targets.from_top_k(backend.asarray(order), weights, 4, tail=tail)
    ours = st.Targets.from_teacher(
        backend.asarray(Z, "float32"), temperature=2.0, top_k=top_k, tail=tail
    )
    x = backend.asarray(Z * 0.5 + np.arange(4), "float32")
    got, want = (BOTH(x, t, reduction="none") for t in (ours, by_hand))
    assert_close(got[0], to_numpy(want[0]), ulps=16, scale=8.0)
    assert_close(got[1], to_numpy(want[1]), ulps=16, scale=1.0)


@pytest.mark.parametrize("tail", TAILS)
def test_padding(backend: Variant, tail: Any) -> None:
    """Classes padded with -inf are never listed, however large k is (T40)."""
    padded = np.concatenate([Z, np.full((3, 2), -INF)], axis=1)
    padded[1, :3] = -INF  # one class is left here
    logits = backend.asarray(padded, "float32")
    targets = st.Targets.from_teacher(logits, top_k=5, tail=tail)
    p = np.zeros((3, 6))
    p[:, :4] = exact(Z)
    p[1] = [0, 0, 0, 1, 0, 0]
    x = np.concatenate([Z * 0.5, np.zeros((3, 2))], axis=1)
    # A student without these classes.
    mask = backend.asarray([True] * 4 + [False] * 2)
    loss = st.cross_entropy(
        backend.asarray(x, "float32"), targets, class_mask=mask, reduction="none"
    )
    if tail == "renormalize":  # the softmax runs over the listed classes only
        inside = np.where(padded > -INF, x, -INF)
    else:
        inside = np.where([True] * 4 + [False] * 2, x, -INF)
    shifted = np.log(np.sum(np.exp(inside), axis=1))
    assert_close(loss, shifted - np.sum(p * x, axis=1), ulps=16, scale=8.0)
    assert_close(targets.mass(), [1.0] * 3, ulps=4, dtype="float32")


def test_minimum_of_the_loss(backend: Variant) -> None:
    """The loss is the entropy of the teacher and has no slope where the student is the teacher."""
    wide = backend.dtypes[-1]
    logits = backend.asarray(Z, wide)
    for temperature in (1.0, 4.0):
        targets = st.Targets.from_teacher(logits, temperature=temperature)
        loss, gradient = BOTH(logits / temperature, targets, reduction="none")
        assert_close(loss, to_numpy(targets.entropy()), ulps=32, scale=1.0)
        assert_close(gradient, np.zeros((3, 4)), ulps=8, scale=1.0)


def test_high_temperature(backend: Variant) -> None:
    """Towards uniform, T^2 times the slope at T is the difference of centred logits (T39)."""
    wide = backend.dtypes[-1]
    student = np.array([[1.0, 0.0, -1.0], [0.5, 2.0, 0.0]])
    teacher = np.array([[3.0, 1.0, -2.0], [1.0, 0.0, -1.0]])
    want = (student - teacher - np.mean(student - teacher, axis=1, keepdims=True)) / 3
    errors = []
    for temperature in (50.0, 100.0):
        targets = st.Targets.from_teacher(backend.asarray(teacher, wide), temperature=temperature)
        x = backend.asarray(student / temperature, wide)
        # d/ds of T^2 loss(s / T) is T times the slope at s / T.
        slope = temperature * to_numpy(BOTH(x, targets, reduction="none")[1])
        errors.append(np.max(np.abs(slope - want)) / np.max(np.abs(want)))
    assert errors[1] < 0.02
    # What is left goes with 1 / T.
    assert 0.48 < errors[1] / errors[0] < 0.52


def test_published_distillation() -> None:
    """T^2 KL of zs = [1, 0, -1] from zt = [3, 1, -2] is 0.3878197984 at T = 2."""
    teacher, student = np.array([[3.0, 1.0, -2.0]]), np.array([[1.0, 0.0, -1.0]])
    for temperature, want in ((1.0, 0.1385618250), (2.0, 0.3878197984), (20.0, 0.7532503479)):
        targets = st.Targets.from_teacher(teacher, temperature=temperature)
        divergence = st.cross_entropy(student / temperature, targets) - targets.entropy()[0]
        assert abs(temperature**2 * divergence - want) < 5e-10


def test_permuted_classes(backend: Variant) -> None:
    """Rows sum to 1 and follow the names of the classes."""

    @examples(backend, 0.2)
    @given(seed=some.integers(0, 10**6))
    def try_one(seed: int) -> None:
        rng = np.random.default_rng(seed)
        z, order = 3 * rng.standard_normal((3, 4)), rng.permutation(4)
        words: Any
        for words in ({}, {"top_k": 2, "tail": "drop"}):
            one = st.Targets.from_teacher(backend.asarray(z, "float32"), **words)
            two = st.Targets.from_teacher(backend.asarray(z[:, order], "float32"), **words)
            want = to_numpy(one.to_dense())[:, order]
            assert_close(two.to_dense(), want, ulps=4, scale=1.0, dtype="float32")
        assert_close(st.Targets.from_teacher(backend.asarray(z)).mass(), [1.0] * 3, ulps=4)

    try_one()


def test_bad_logits_where_nobody_may_look(backend: Variant) -> None:
    """Rows with nan, with +inf or without any class raise, or are nan where looking costs."""
    for row in ([np.nan, 0.0], [INF, 0.0], [-INF, -INF]):
        logits = backend.asarray([row, [1.0, 1.0]], "float32")
        if backend.may_look:
            with pytest.raises(ValueError, match=r"logits must (be finite or|have an entry above)"):
                st.Targets.from_teacher(logits)
            continue
        dense = to_numpy(st.Targets.from_teacher(logits).to_dense())
        assert np.all(np.isnan(dense[0]))
        assert dense[1].tolist() == [0.5, 0.5]


def test_teacher_in_compiled_code() -> None:
    """Lists of the best classes are made of traced logits too."""
    jax = pytest.importorskip("jax")

    @jax.jit
    def loss(x: Any, z: Any, temperature: Any) -> Any:
        targets = st.Targets.from_teacher(z, temperature=temperature, top_k=2, tail="bucket")
        return st.cross_entropy(x, targets, reduction="none")

    x, z = jax.numpy.asarray(Z * 0.5), jax.numpy.asarray(Z)
    eager = st.Targets.from_teacher(z, temperature=2.0, top_k=2, tail="bucket")
    want = st.cross_entropy(x, eager, reduction="none")
    assert_close(loss(x, z, jax.numpy.asarray(2.0)), to_numpy(want), ulps=16, scale=4.0)


def test_gradient_for_the_teacher() -> None:
    """A teacher that is trained too gets its gradient, unless its logits are detached."""
    torch = pytest.importorskip("torch")
    z = torch.tensor(Z, requires_grad=True)
    x = torch.tensor(Z[::-1].copy())
    st.cross_entropy(x, st.Targets.from_teacher(z)).backward()
    p, log_q = exact(Z), np.log(exact(Z[::-1]))
    # The loss is -<p, log q>, and p is the softmax of z.
    want = p * (-log_q + np.sum(p * log_q, axis=1, keepdims=True)) / 3
    np.testing.assert_allclose(z.grad.numpy(), want, rtol=1e-10, atol=1e-14)
