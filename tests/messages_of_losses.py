"""More cases of tests/test_messages.py: the losses beside the cross-entropy."""

from collections.abc import Callable
from typing import Any

import numpy as np

import softtargets as st

X = np.array([[0.5, -1.25, 2.0, 0.25], [-0.75, 3.0, 1.5, -2.5], [0.125, 0.25, -0.375, 1.0]])
T = np.array([[0.5, 0.25, 0.25, 0.0], [0.0, 1.0, 0.0, 1.0], [0.125, 0.125, 0.5, 0.25]])
LABELS = np.array([2, 0, 3])
BUCKET = st.Targets.from_top_k(LABELS[:, None], np.full((3, 1), 0.5), 4, tail="bucket")
NOISE = st.noise_transition(4, 0.2)
PLACE = " [logits: (3, 4), axis: -1]"


def binary(**words: Any) -> Callable[[], object]:
    """Return a call of the binary cross-entropy."""
    return lambda: st.binary_cross_entropy(**({"logits": X, "targets": T} | words))


def kl(**words: Any) -> Callable[[], object]:
    """Return a call of the Kullback-Leibler divergence."""
    return lambda: st.kl_divergence(**({"logits": X, "targets": LABELS} | words))


def js(**words: Any) -> Callable[[], object]:
    """Return a call of the Jensen-Shannon divergence."""
    return lambda: st.js_divergence(**({"logits": X, "targets": LABELS} | words))


def distil(**words: Any) -> Callable[[], object]:
    """Return a call of the distillation."""
    return lambda: st.distillation(**({"student_logits": X, "teacher": X} | words))


def backward(transition: Any = NOISE, **words: Any) -> Callable[[], object]:
    """Return a call of the backward correction."""
    given = {"logits": X, "labels": LABELS} | words
    return lambda: st.backward_correction(transition=transition, **given)


def smooth(rate: Any, **words: Any) -> Callable[[], object]:
    """Return a call of the generalized smoothing."""
    return lambda: st.generalized_smoothing(X, LABELS, rate, **words)


def call(function: Any, **words: Any) -> Callable[[], object]:
    """Return a call of any loss."""
    given = {"logits": X, "targets": LABELS} | words
    return lambda: function(**given)


ONE_MASS = "targets must have one mass per class, got top-k targets with a tail bucket"
TYPES: list[tuple[str, Callable[[], object]]] = [
    ("logits must be an array, got list", binary(logits=X.tolist())),
    ("targets must be integer labels or real floating probabilities, got bool",
     binary(targets=T > 0.5)),
    ("pos_weight must be an array, got list", binary(pos_weight=[1.0] * 4)),
    ("pos_weight must be an array, got bool", binary(pos_weight=True)),
    ("prior must be a number or an array, got NoneType", binary(prior=None)),
    ("axis must be an int, got float", binary(axis=1.0)),
    ("student_logits must be an array, got list", distil(student_logits=X.tolist())),
    ("student_logits must have a real floating-point dtype, got int64",
     distil(student_logits=LABELS)),
    ("teacher must be an array, got list", distil(teacher=X.tolist())),
    ("teacher must have a real floating-point dtype, got int64", distil(teacher=LABELS)),
    ("temperature must be a number or an array, got NoneType", distil(temperature=None)),
    ("hard_weight must be a number or an array, got NoneType", distil(hard_weight=None)),
    ("labels must have an integer dtype, got float64", backward(labels=T)),
    ("labels must have an integer dtype, got float64",
     lambda: st.forward_correction(X, T, NOISE)),
    ("labels must be an array, got Targets", backward(labels=BUCKET)),
    ("features of teacher must be an array, got list", distil(teacher=([[1.0]] * 3, X.T))),
    ("weight of teacher must have a real floating-point dtype, got int64",
     distil(teacher=(X, np.eye(4, dtype=int)))),
    ("bias of teacher must have the dtype float64 of its features, got float32",
     distil(teacher=(X, np.eye(4), np.ones(4, np.float32)))),
    ("missing a required argument: 'targets'",
     lambda: st.value_and_grad(st.linear_kl_divergence)(X, np.eye(4))),
    ("transition must be an array, got list", backward(NOISE.tolist())),
    ("transition must have a real floating-point dtype, got int64", backward(LABELS)),
    ("rate must be a number or an array, got NoneType", smooth(None)),
    ("gamma must be a number or an array, got '2'", call(st.focal_loss, gamma="2")),
    ("loss must be cross_entropy or binary_cross_entropy, got kl_divergence",
     lambda: st.value_grad_hessian(st.kl_divergence)),
    ("loss must be cross_entropy or binary_cross_entropy, got int",
     lambda: st.value_grad_hessian(3)),
    ("missing a required argument: 'transition'",
     lambda: st.value_and_grad(st.forward_correction)(X, LABELS)),
    ("weight must be a number, got str", js(weight="half")),
    ("weight must be a number, got ndarray", js(weight=np.asarray(0.5))),
]  # fmt: skip
VALUES: list[tuple[str, Callable[[], object]]] = [
    ("targets must be in [0, 1], got 2.0 at position (0, 0)", binary(targets=T * 4)),
    ("targets must be in [0, 2) or ignore_index -100, got 4 at position (2, 3)",
     binary(targets=(T * 16).astype(int) * (T == 0.25) * (np.arange(3) == 2)[:, None])),
    ("targets must be in [0, 4) or ignore_index -100, got 6 at position (2,)",
     binary(targets=LABELS * 2 * (LABELS == 3))),
    (f"targets must have shape (3, 4), or (3,) for one label per row, got (2, 4){PLACE}",
     binary(targets=T[:2])),
    (f"targets must have shape (3, 4), or (3,) for one label per row, got (3,){PLACE}",
     binary(targets=T[:, 0])),
    ("targets must have shape (3, 4), got (3,) [logits: (3, 4), axis: None]",
     binary(targets=LABELS, axis=None)),
    (f"targets must have shape (3, 4), got (3, 5){PLACE}",
     binary(targets=st.Targets.from_labels(LABELS, 5))),
    (f"targets must have shape (3, 4), got (3, 5){PLACE}",
     binary(targets=st.Targets.from_labels(LABELS, 5).weighted(np.ones(5)))),
    (ONE_MASS, binary(targets=BUCKET)),
    (ONE_MASS, kl(targets=BUCKET, direction="reverse")),
    (ONE_MASS, js(targets=BUCKET)),
    (ONE_MASS, call(st.focal_loss, targets=BUCKET)),
    (ONE_MASS, call(st.poly_loss, targets=BUCKET)),
    ("teacher must have the shape (3, 4) of student_logits (pad missing classes with -inf), "
     "got (3, 3)", distil(teacher=X[:, :3])),
    ("out must be None for linear_distillation, got ndarray",
     lambda: st.value_and_grad(st.linear_distillation, out=X)(X, np.eye(4), X)),
    ("teacher must have 2 or 3 entries as a tuple: features, weight and perhaps bias, got 1",
     distil(teacher=(X,))),
    ("features of teacher must have the rows (3,) of student_logits and an axis 1 of features, "
     "got (2, 4)", distil(teacher=(X[:2], np.eye(4)))),
    ("weight of teacher must have shape (4, 4), one row per class, got (3, 4)",
     distil(teacher=(X, X))),
    ("bias of teacher must have shape (4,), one row per class, got (3,)",
     distil(teacher=(X, np.eye(4), np.ones(3)))),
    ("labels must be in [0, 4) or ignore_index -100, got 6 at position (2,)",
     distil(labels=LABELS * 2 * (LABELS == 3))),
    (f"labels must have shape (3,) for labels or (3, 4) for distributions, got (2,){PLACE}",
     distil(labels=LABELS[:2])),
    (f"labels must have shape (3,) for labels or (3, 4) for distributions, got (2,){PLACE}",
     lambda: st.forward_correction(X, LABELS[:2], NOISE)),
    (f"teacher must have shape (3, 4), got (3, 5){PLACE}",
     distil(teacher=st.Targets.from_labels(LABELS, 5))),
    ("temperature must be finite and above 0, got 0", distil(temperature=0)),
    ("hard_weight must be in [0, 1], got 2", distil(hard_weight=2)),
    ("hard_weight must be 0 without labels, got 0.5", distil(hard_weight=0.5)),
    ("label_smoothing must be 0 without labels (a teacher is not smoothed), got 0.1",
     distil(label_smoothing=0.1)),
    ("transition must have shape (4, 4), got (3, 4)", backward(T)),
    ("rows of transition must sum to 1, got 2.0 at position (0,)", backward(NOISE * 2)),
    ("transition must have an inverse, got a singular matrix", backward(np.full((4, 4), 0.25))),
    ("rate must be finite and at most 1, got 1.5", smooth(1.5)),
    ("rate must be finite and at most 1, got -inf", smooth(-np.inf)),
    ("rate must be finite and at most 1, got -inf at position (1,)",
     smooth(np.array([0.0, -np.inf, 2.0]))),
    ("where must have shape (3,), got (2,) [the shape of logits without its class axis]",
     smooth(-1.0, where=np.ones(2, bool))),
    ("gamma must be finite and at least 0, got -1", call(st.focal_loss, gamma=-1)),
    ("strength must be finite and at least 0, got -1", call(st.poly_loss, strength=-1)),
    ("strength must be finite and at least 0, got inf", call(st.max_suppression, strength=np.inf)),
    ("margin must be finite and at least 0, got -1", call(st.margin_smoothing, margin=-1)),
    ("direction must be one of 'forward', 'reverse', got 'backward'", kl(direction="backward")),
    ("weight must be above 0 and below 1, got 0", js(weight=0)),
    ("weight must be above 0 and below 1, got 1.0", js(weight=1.0)),
    ("ignore_index must be left out unless targets are integer labels (where= masks rows), got 3",
     binary(ignore_index=3)),
    ("prior must be in [0, 1], got 1.5", binary(prior=1.5)),
    ("prior must have shape () or (4,), got (3,)", binary(prior=T[:, 0])),
    ("pos_weight must be finite and at least 0, got -1", binary(pos_weight=-1)),
    ("pos_weight must have shape (4,), got (3,)", binary(pos_weight=np.ones(3))),
    ("class_weight must have shape (1,), got (4,)", binary(class_weight=np.ones(4), axis=None)),
]  # fmt: skip
