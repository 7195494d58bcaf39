"""What all constructors of targets have in common: rows, smoothing, mixing, the same bits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant, assert_close, assert_same_bits, to_numpy

Z = np.array([[3.0, 1.0, -2.0], [0.0, 0.5, 4.0], [-1.5, 2.5, 2.0], [0.25, 0.0, 0.125]])
VOTES = np.array([[0, 2, 1], [1, -100, 1], [2, 2, -100], [0, 0, 0]])
STEPS = np.array([0, 2, -100, 1])
Build = Callable[[Variant], st.Targets]


def online(backend: Variant) -> st.Targets:
    """Return targets of the second epoch."""
    smoothing = st.OnlineLabelSmoothing(3)
    smoothing.update(backend.asarray(Z, "float32"), backend.asarray([0, 2, 1, 1]))
    smoothing.next_epoch()
    return smoothing.targets(backend.asarray(STEPS))


#: Those that are made by sums, products and quotients only, and those that take exponentials.
EXACT: dict[str, Build] = {
    "mixup": lambda b: st.Mixing(
        np.array([2, 0, 3, 1]), np.array([0.3, 0.9, 0.5, 1.0])
    ).mix_targets(b.asarray(STEPS), num_classes=3),
    "votes": lambda b: st.Targets.from_votes(b.asarray(VOTES), 3),
    "smoothed votes": lambda b: st.Targets.from_votes(b.asarray(VOTES), 3, pseudocount=0.5),
    "counts": lambda b: st.Targets.from_counts(
        b.asarray(Z[:, ::-1].copy() + 2, "float32"), pseudocount=0.25
    ),
    "neighbours": lambda b: st.Targets.from_neighbours(b.asarray(STEPS), 3, [0.1, 0.7, 0.2]),
    "noise": lambda b: st.Targets.from_labels(b.asarray(STEPS), 3).smooth(
        1.0, prior=st.noise_transition(3, 0.3, like=b.asarray([0.0], "float32"))
    ),
    "confusion": lambda b: st.Targets.from_labels(b.asarray(STEPS), 3).smooth(
        1.0,
        prior=st.transition_from_confusion(b.asarray([[5, 1, 1], [0, 2, 1], [1, 1, 1]], "float32")),
    ),
}
OTHER: dict[str, Build] = {
    "teacher": lambda b: st.Targets.from_teacher(b.asarray(Z, "float32"), temperature=2.0),
    "best two": lambda b: st.Targets.from_teacher(b.asarray(Z, "float32"), top_k=2, tail="drop"),
    "similarity": lambda b: st.Targets.from_labels(b.asarray(STEPS), 3).smooth(
        1.0, prior=st.prior_from_similarity(b.asarray(Z[:3], "float32"))
    ),
    "online": online,
}
ALL = EXACT | OTHER


def use_all_builders(backend: Variant) -> None:
    """Call everything that makes targets, for tests of what it asks of a library."""
    for build in ALL.values():
        build(backend).to_dense()
    x, labels = backend.asarray(Z, "float32"), backend.asarray(STEPS)
    st.mixup(x, labels, per="row", num_classes=3, rng=0)
    st.cutmix(x, labels, per="row", axes=(1,), num_classes=3, rng=0)
    st.linear_warmup(backend.asarray(1), 2, 0.1)
    st.linear_warmup(1, 2, 0.1, like=x)
    st.prior_from_counts(backend.asarray([1, 2]), power=0.5)


def dense(targets: st.Targets, backend: Variant) -> Any:
    """Return the dense rows in float32, as NumPy's float64."""
    return to_numpy(targets.to_dense(dtype=backend.xp.float32)).astype(np.float64)


@pytest.mark.parametrize("name", ALL)
def test_rows(backend: Variant, name: str) -> None:
    """Rows are taken by slices, integers and arrays of indices."""
    targets = ALL[name](backend)
    whole = dense(targets, backend)
    assert targets.shape == whole.shape == (4, 3)
    np.testing.assert_array_equal(dense(targets[1:], backend), whole[1:])
    order = np.array([3, 0, 0])
    np.testing.assert_array_equal(dense(targets[backend.asarray(order)], backend), whole[order])
    np.testing.assert_array_equal(dense(targets[2], backend), whole[2])


@pytest.mark.parametrize("name", ALL)
def test_losses(backend: Variant, name: str) -> None:
    """Loss and gradient are those of the dense rows, smoothed or mixed on top."""
    targets = ALL[name](backend)
    rows = dense(targets, backend)
    x = backend.asarray(Z[::-1].copy() * 0.5, "float32")
    labels = st.Targets.from_labels(backend.asarray([1, 1, 0, 2]), 3)
    eye = np.eye(3)[[1, 1, 0, 2]]
    mass = rows.sum(axis=1, keepdims=True)
    log_p = Z[::-1] * 0.5 - np.log(np.sum(np.exp(Z[::-1] * 0.5), axis=1, keepdims=True))
    for changed, q in (
        (targets, rows),
        (targets.smooth(0.25), 0.75 * rows + 0.25 * mass / 3),
        (targets.mix(labels, 0.625), 0.625 * rows + 0.375 * eye),
    ):
        loss, gradient = st.value_and_grad(st.cross_entropy)(x, changed, reduction="none")
        assert_close(loss, -np.sum(q * log_p, axis=1), ulps=16, scale=4.0)
        want = q.sum(axis=1, keepdims=True) * np.exp(log_p) - q
        assert_close(gradient, want, ulps=16, scale=1.0)


@pytest.mark.parametrize("name", EXACT)
def test_same_bits(backend: Variant, name: str) -> None:
    """Targets that are made by exact rules are those of NumPy to the last bit."""
    reference = Variant("numpy", "numpy")
    if "float64" not in backend.dtypes:
        pytest.skip(f"{backend.name}: numbers from the host are float32")
    got = EXACT[name](backend).to_dense(dtype=backend.xp.float64)
    assert_same_bits(got, EXACT[name](reference).to_dense(dtype=np.float64))
