"""Distillation: published values, limits, forms of a teacher, both terms with one mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets.execution import plan
from tests.backends import Variant, assert_close, assert_same_bits
from tests.losses import once_per_library, silent_on_dask
from tests.reference import widest

once = once_per_library()
BOTH = st.value_and_grad(st.distillation)
RNG = np.random.default_rng(6)
X, TEACHER = RNG.standard_normal((5, 4)) * 2, RNG.standard_normal((5, 4)) * 3
LABELS = np.array([0, 3, 1, 1, 2])
W = np.array([1.0, 2.0, 0.0, 0.5])


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [(1, 0.1385618250), (2, 0.3878197984), (4, 0.6007380674), (20, 0.7532503479)],
)
def test_published_values(backend: Variant, temperature: float, expected: float) -> None:
    """T^2 KL has its published values, with the temperature as a number or an array."""
    dtype = widest(backend)[0]
    student = backend.asarray([[1.0, 0.0, -1.0]], dtype)
    teacher = backend.asarray([[3.0, 1.0, -2.0]], dtype)
    for given in (temperature, backend.asarray(float(temperature), dtype)):
        loss, slope = BOTH(student, teacher, temperature=given)
        # A cross-entropy and an entropy of about log 3, each rounded, times T^2.
        tolerance = 6e-11 if dtype == "float64" else 4 * 2.0**-24 * temperature**2
        np.testing.assert_allclose(backend.to_numpy(loss), expected, rtol=0, atol=tolerance)
        if temperature == 2:
            want = [[-0.3663833901, 0.1069594082, 0.2594239820]]
            np.testing.assert_allclose(backend.to_numpy(slope), want, rtol=0, atol=tolerance)


def test_high_temperature() -> None:
    """Far up, the gradient tends to the difference of the centred logits, over K (T39)."""
    student, teacher = X[:2], TEACHER[:2]
    centred = (student - student.mean(1, keepdims=True)) - (
        teacher - teacher.mean(1, keepdims=True)
    )
    _, slope = BOTH(X[:2] / 2, TEACHER[:2] / 3, temperature=50.0, reduction="sum")
    near = (X[:2] / 2 - TEACHER[:2] / 3) / 4
    near = near - near.mean(1, keepdims=True)
    assert np.linalg.norm(slope - near) < 0.02 * np.linalg.norm(near)
    for temperature, tolerance in ((50.0, 0.2), (5000.0, 2e-3)):
        _, slope = BOTH(student, teacher, temperature=temperature, reduction="sum")
        np.testing.assert_allclose(slope, centred / 4, atol=tolerance * np.abs(centred).max() / 4)


def test_the_teacher_is_the_optimum(backend: Variant) -> None:
    """Where the student is the teacher up to an offset, loss and gradient are 0."""
    dtype = widest(backend)[0]
    teacher = backend.asarray(TEACHER, dtype)
    loss, slope = BOTH(teacher + 3.0, teacher, temperature=3.0, reduction="none")
    assert_close(loss, np.zeros(5), ulps=64, scale=4.0)
    assert_close(slope, np.zeros((5, 4)), ulps=64, scale=1.0)


@pytest.mark.parametrize("weighted", [False, True])
def test_two_terms(backend: Variant, weighted: bool) -> None:
    """The loss is the mixture of T^2 KL and of the cross-entropy of the labels, class weights,
    smoothing and the denominator included.
    """
    dtype = widest(backend)[0]
    x, teacher = backend.asarray(X, dtype), backend.asarray(TEACHER, dtype)
    labels, h, temperature = backend.asarray(LABELS), 0.3, 2.5
    words: dict[str, Any] = {"class_weight": backend.asarray(W, dtype)} if weighted else {}
    w = W if weighted else np.ones(4)
    q = softmax(TEACHER / temperature)
    hard = {"label_smoothing": 0.1, "spread": "others", "prior": backend.asarray(
        [0.1, 0.2, 0.3, 0.4], dtype)}  # fmt: skip
    warm = backend.asarray(X / temperature, dtype)
    dense = backend.asarray(q, dtype)
    soft = st.kl_divergence(warm, dense, reduction="none", **words)
    firm = st.cross_entropy(x, labels, reduction="none", **hard, **words)
    want = (1 - h) * temperature**2 * backend.to_numpy(soft) + h * backend.to_numpy(firm)
    all_words = {"temperature": temperature, "labels": labels, "hard_weight": h, **hard, **words}
    assert_close(st.distillation(x, teacher, reduction="none", **all_words), want, ulps=64, scale=8)
    mean = want.sum() / np.sum((1 - h) * q @ w + h * w[LABELS])
    assert_close(st.distillation(x, teacher, **all_words), mean, ulps=64, scale=8)
    alone = st.distillation(x, teacher, temperature=temperature, **words)
    want = temperature**2 * backend.to_numpy(soft).sum() / np.sum(q @ w)
    assert_close(alone, want, ulps=64, scale=8)


@pytest.mark.parametrize("tail", ["bucket", "drop", "renormalize", None])
def test_forms_of_a_teacher(backend: Variant, tail: Any) -> None:
    """Targets of the teacher at its temperature are as good as its logits; top-k has its tails."""
    dtype = widest(backend)[0]
    x, teacher = backend.asarray(X, dtype), backend.asarray(TEACHER, dtype)
    best = None if tail is None else 2
    t = st.Targets.from_teacher(teacher, temperature=2.0, top_k=best, tail=tail)
    loss, slope = BOTH(x, t, temperature=2.0, reduction="none")
    want = st.value_and_grad(st.kl_divergence)(x / 2.0, t, reduction="none")
    assert_close(loss, 4 * backend.to_numpy(want[0]), ulps=8, scale=1.0)
    assert_close(slope, 2 * backend.to_numpy(want[1]), ulps=8, scale=1.0)
    if tail is None:
        dense = BOTH(x, teacher, temperature=2.0, reduction="none")
        assert_close(loss, dense[0], ulps=64, scale=4.0)
        assert_close(slope, dense[1], ulps=64, scale=1.0)
    everything = st.Targets.from_teacher(teacher, temperature=2.0, top_k=4, tail=tail or "drop")
    whole = st.distillation(x, everything, temperature=2.0, reduction="none")
    assert_close(whole, st.distillation(x, teacher, temperature=2.0, reduction="none"),
                 ulps=64, scale=4.0)  # fmt: skip


@silent_on_dask
def test_padding(backend: Variant) -> None:
    """A class that the teacher does not have, -inf, costs the student nothing at -inf too."""
    dtype = widest(backend)[0]
    pad = np.full((5, 2), -np.inf)
    teacher = backend.asarray(np.concatenate([TEACHER, pad], axis=1), dtype)
    student = backend.asarray(np.concatenate([X, pad], axis=1), dtype)
    want = BOTH(backend.asarray(X, dtype), backend.asarray(TEACHER, dtype), temperature=2.0)
    loss, slope = BOTH(student, teacher, temperature=2.0)
    assert_close(loss, want[0], ulps=64, scale=4.0)
    got = backend.to_numpy(slope)
    assert_close(np.ascontiguousarray(got[:, :4]), want[1], ulps=64, scale=1.0)
    np.testing.assert_array_equal(got[:, 4:], 0.0)
    mask = backend.asarray([True] * 4 + [False] * 2)
    wild = np.full((5, 2), np.nan)
    given = (backend.asarray(np.concatenate([a, wild], axis=1), dtype) for a in (X, TEACHER))
    masked, slope = BOTH(*given, class_mask=mask, temperature=2.0)
    assert_close(masked, want[0], ulps=64, scale=4.0)
    np.testing.assert_array_equal(backend.to_numpy(slope)[:, 4:], 0.0)


@pytest.mark.parametrize("weighted", [False, True])
@silent_on_dask
def test_one_mask_for_both_terms(backend: Variant, weighted: bool) -> None:
    """A row that `where` or its label leaves out leaves both terms and the denominator (T8)."""
    dtype = widest(backend)[0]
    bad = np.array([1, 3])
    x, teacher = X.copy(), TEACHER.copy()
    x[bad], teacher[bad] = np.nan, np.inf
    labels = LABELS.copy()
    labels[bad] = -100
    keep = np.delete(np.arange(5), bad)
    words: dict[str, Any] = {"class_weight": backend.asarray(W, dtype)} if weighted else {}
    words |= {"temperature": 2.0, "hard_weight": 0.5}
    arrays = [backend.asarray(a, dtype) for a in (x, teacher, X[keep], TEACHER[keep])]
    want = BOTH(*arrays[2:], labels=backend.asarray(LABELS[keep]), **words)
    where = backend.asarray(labels >= 0)
    for given in (
        {"labels": backend.asarray(labels)},
        {"labels": backend.asarray(np.where(labels < 0, 77, labels)), "where": where},
    ):
        loss, slope = BOTH(*arrays[:2], **given, **words)
        assert_close(loss, want[0], ulps=64, scale=4.0)
        got = backend.to_numpy(slope)
        assert_close(np.ascontiguousarray(got[keep]), want[1], ulps=64, scale=1.0)
        np.testing.assert_array_equal(got[bad], 0.0)
    # The other way round: the teacher leaves rows out.
    t = st.Targets.from_labels(backend.asarray(labels), 4)
    loss, slope = BOTH(backend.asarray(X, dtype), t, labels=backend.asarray(LABELS), **words)
    rows = st.Targets.from_labels(backend.asarray(LABELS[keep]), 4)
    want = BOTH(arrays[2], rows, labels=backend.asarray(LABELS[keep]), **words)
    assert_close(loss, want[0], ulps=64, scale=4.0)
    np.testing.assert_array_equal(backend.to_numpy(slope)[bad], 0.0)


@pytest.mark.parametrize("labelled", [False, True])
def test_blocks(backend: Variant, labelled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The softmax of the teacher is made a block at a time; the blocks change no bit."""
    if not (backend.backend.writable and backend.may_look):
        pytest.skip(f"{backend.name}: always run as a whole")
    rng = np.random.default_rng(8)
    x, teacher = (backend.asarray(rng.standard_normal((11, 30)), "float32") for _ in range(2))
    words: dict[str, Any] = {"temperature": 2.0}
    words["class_weight"] = backend.asarray(rng.random(30), "float32")
    if labelled:
        labels = rng.integers(0, 30, 11)
        labels[3] = -100
        words |= {"labels": backend.asarray(labels), "hard_weight": 0.25}
    results = []
    for entries in (10**9, 60):
        monkeypatch.setattr(plan, "HOST_ENTRIES", entries)
        results.append(BOTH(x, teacher, **words))
    assert_same_bits(results[1][0], results[0][0])
    assert_same_bits(results[1][1], results[0][1])


def test_gradient_of_the_teacher() -> None:
    """Torch differentiates for the teacher, its temperature and the hard weight too."""
    torch = pytest.importorskip("torch")
    leaves = [torch.tensor(a, requires_grad=True) for a in (X, TEACHER, 2.0, 0.25)]
    leaves[2:] = [leaf.detach().double().requires_grad_() for leaf in leaves[2:]]

    def loss(x: Any, teacher: Any, temperature: Any, weight: Any) -> Any:
        labels = torch.tensor(LABELS)
        return st.distillation(
            x, teacher, temperature=temperature, hard_weight=weight, labels=labels
        )

    assert torch.autograd.gradcheck(loss, leaves)


def test_torch_peer() -> None:
    """The soft term is what users of torch write with kl_div."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    x, teacher = torch.tensor(X, requires_grad=True), torch.tensor(TEACHER)
    theirs = 9 * functional.kl_div(
        functional.log_softmax(x / 3, -1), functional.log_softmax(teacher / 3, -1),
        log_target=True, reduction="batchmean",
    )  # fmt: skip
    (want,) = torch.autograd.grad(theirs, x)
    ours = st.distillation(x, teacher, temperature=3.0)
    (slope,) = torch.autograd.grad(ours, x)
    assert_close(ours, theirs, ulps=64)
    assert_close(slope, want, ulps=64, scale=1.0)
