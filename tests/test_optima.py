"""Closed forms of the best logits, reached by an optimiser; which losses have none.

Newton's method on the analytic gradient, whose slope is measured, knows nothing of the formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softtargets as st
from tests.backends import Variant
from tests.losses import LOSSES, Loss

K = 10
LABEL = np.array([2])
PRIOR = np.array([0.3, 0.05, 0.1, 0.2, 0.05, 0.05, 0.05, 0.1, 0.05, 0.05])
W = np.linspace(0.5, 2.0, K)
TEACHER = np.linspace(-2, 3, K)[[3, 0, 9, 1, 2, 8, 4, 5, 7, 6]]
E = 0.1


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest) -> None:
    """Leave out libraries that build every expression anew, and those without float64."""
    if "backend" in request.fixturenames:
        backend = request.getfixturevalue("backend")
        if backend.row in ("jax", "dask") or "float64" not in backend.dtypes:
            pytest.skip(f"{backend.name} takes long to say the same, or less exactly")


def best_logits(gradient: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> np.ndarray:
    """Where the gradient is 0, by Newton's method with steps that make it smaller."""
    x, step = start, 2.0**-17
    for _ in range(40):
        g = gradient(x)
        if np.linalg.norm(g) < 1e-13:
            break
        slopes = [
            (gradient(x + step * one) - gradient(x - step * one)) / (2 * step)
            for one in np.eye(x.size)
        ]
        # Along an offset of all logits there is no slope.
        move = np.linalg.pinv(np.array(slopes), rcond=1e-7) @ g
        while np.linalg.norm(gradient(x - move)) > np.linalg.norm(g):
            move = move / 2
        x = x - move
    return x


def optimum(backend: Variant, loss: Any, targets: Any, start: Any = None, **words: Any) -> Any:
    """The best logits of one row, and the loss there."""
    words = {name: backend.asarray(v) if hasattr(v, "shape") else v for name, v in words.items()}
    given = backend.asarray(targets)
    both = st.value_and_grad(loss)

    def gradient(x: np.ndarray) -> np.ndarray:
        return backend.to_numpy(both(backend.asarray(x[None, :]), given, **words)[1])[0]

    x = best_logits(gradient, np.linspace(0.5, -0.5, K) if start is None else start)
    return x, float(backend.to_numpy(loss(backend.asarray(x[None, :]), given, **words)))


def onehot(label: int = 2) -> np.ndarray:
    return np.eye(K)[label]


def smoothed(q: Any, e: float = E, prior: Any = 1 / K) -> np.ndarray:
    return (1 - e) * q + e * prior


def centred(x: np.ndarray) -> np.ndarray:
    return x - np.mean(x)


MIXED = 0.7 * onehot(2) + 0.3 * onehot(5)
WARM = np.exp(TEACHER / 3) / np.sum(np.exp(TEACHER / 3))
#: Loss, targets, keywords, and the softmax of the best logits.
FORMS: dict[str, tuple[Any, Any, dict[str, Any], np.ndarray]] = {
    "smoothing over all": (st.cross_entropy, LABEL, {"label_smoothing": E}, smoothed(onehot())),
    "smoothing over others": (
        st.cross_entropy, LABEL, {"label_smoothing": E, "spread": "others"},
        np.where(onehot() == 1, 1 - E, E / (K - 1)),
    ),
    "prior": (
        st.cross_entropy, LABEL, {"label_smoothing": E, "prior": PRIOR},
        smoothed(onehot(), E, PRIOR),
    ),
    "class weights": (
        st.cross_entropy, LABEL, {"label_smoothing": E, "class_weight": W},
        W * smoothed(onehot()) / np.sum(W * smoothed(onehot())),
    ),
    "mixup": (st.cross_entropy, MIXED[None, :], {"label_smoothing": E}, smoothed(MIXED)),
    "divergence": (st.kl_divergence, MIXED[None, :], {"label_smoothing": E}, smoothed(MIXED)),
    "reverse divergence": (
        st.kl_divergence, MIXED[None, :], {"label_smoothing": E, "direction": "reverse"},
        smoothed(MIXED),
    ),
    "Jensen-Shannon": (st.js_divergence, MIXED[None, :], {"label_smoothing": E}, smoothed(MIXED)),
    "two teachers": (
        st.distillation, np.log(WARM)[None, :],
        {"labels": LABEL, "hard_weight": 0.25, "label_smoothing": E},
        0.75 * WARM + 0.25 * smoothed(onehot()),
    ),
    "MaxSup": (st.max_suppression, LABEL, {"strength": E}, smoothed(onehot())),
    "noise": (
        st.cross_entropy, st.noise_transition(K, E)[LABEL], {},
        np.where(onehot() == 1, 1 - E, E / (K - 1)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_best_logits(backend: Variant, name: str) -> None:
    """The softmax of the best logits is the closed form, and their gaps are its logarithms."""
    loss, targets, words, p = FORMS[name]
    # Neither of these two is convex far away, and MaxSup has a kink where the largest change.
    near = name in ("reverse divergence", "Jensen-Shannon", "MaxSup")
    start = np.log(p) + 0.1 * np.linspace(1, -1, K) if near else None
    x, _ = optimum(backend, loss, targets, start, **words)
    np.testing.assert_allclose(centred(x), centred(np.log(p)), rtol=0, atol=2e-9)


def test_gaps_and_least_values(backend: Variant) -> None:
    """The gap is log(1 + K (1 - e) / e), or log((1 - e)(K - 1) / e) over the others; the least
    value is the entropy of the target, and 0 for the divergence.
    """
    for spread, gap, floor in (
        ("all", np.log(1 + K * (1 - E) / E), 0.5002880351),
        ("others", np.log((1 - E) * (K - 1) / E), 0.5448054311),
    ):
        x, least = optimum(backend, st.cross_entropy, LABEL, label_smoothing=E, spread=spread)
        np.testing.assert_allclose(x[2] - np.delete(x, 2), gap, rtol=0, atol=2e-9)
        np.testing.assert_allclose(least, floor, rtol=0, atol=6e-11)
        words = {"label_smoothing": E, "spread": spread}
        least = optimum(backend, st.kl_divergence, LABEL, **words)[1]
        np.testing.assert_allclose(least, 0, rtol=0, atol=1e-14)
    assert abs(np.log(1 + K * (1 - E) / E) - 4.5108595065) < 1e-10


def test_the_student_becomes_the_teacher(backend: Variant) -> None:
    """The best logits of a student are those of the teacher up to an offset, at any T."""
    for temperature in (1.0, 3.0):
        x, least = optimum(
            backend, st.distillation, TEACHER[None, :], np.zeros(K), temperature=temperature
        )
        np.testing.assert_allclose(centred(x), centred(TEACHER), rtol=0, atol=2e-8)
        np.testing.assert_allclose(least, 0, rtol=0, atol=1e-13)


def test_z_loss_takes_the_offset_away(backend: Variant) -> None:
    """With the z-loss the best logits are log q themselves: their logsumexp is 0."""
    x, _ = optimum(backend, st.cross_entropy, LABEL, label_smoothing=E, z_loss=0.01)
    np.testing.assert_allclose(x, np.log(smoothed(onehot())), rtol=0, atol=2e-8)


def test_the_posterior_is_smoothed(backend: Variant) -> None:
    """The best prediction for a posterior eta is (1 - e) eta + e / K, which gives eta back."""
    eta = PRIOR[[1, 0, 4, 3, 2, 5, 6, 8, 7, 9]]
    x, _ = optimum(backend, st.cross_entropy, eta[None, :], label_smoothing=E)
    p = np.exp(x) / np.sum(np.exp(x))
    np.testing.assert_allclose((p - E / K) / (1 - E), eta, rtol=0, atol=1e-9)


#: Losses whose best logits for one hard label are finite.
FINITE = {"unsure", "reverse kl", "distillation", "maximum", "margin"}


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_finite_optimum(backend: Variant, loss: Loss) -> None:
    """Far out on the side of its label a loss rises again, or falls for ever: which one does what
    is the table of properties; with smoothing all of them rise.
    """
    x = backend.asarray([[8.0, 0.0, 0.0, 0.0]])
    label = backend.asarray([0])
    slope = backend.to_numpy(loss.with_gradient(x, label)[1])[0, 0]
    assert (slope > 0) == (loss.name in FINITE)
    if loss.smoothing == "label_smoothing":
        smooth = loss.with_gradient(x, label, label_smoothing=0.1)
        assert backend.to_numpy(smooth[1])[0, 0] > 0
