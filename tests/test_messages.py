"""Every error message of the library in full: the argument, the rule, the value received."""

import functools
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets._array import axes, errors, namespaces
from tests.error_calls import ELSEWHERE, SOURCE, calls_of_errors, recorder

HERE = Path(__file__).parent
X = np.array([[0.5, -1.25, 2.0, 0.25], [-0.75, 3.0, 1.5, -2.5], [0.125, 0.25, -0.375, 1.0]])
Y = np.array([2, 0, 3])
Q = np.array([[0.5, 0.25, 0.25, 0.0], [0.0, 1.0, 0.0, 0.0], [0.125, 0.125, 0.5, 0.25]])
V, W = np.array([1.0, 2.0, 0.5]), np.array([1.0, 2.0, 0.5, 4.0])
T = st.Targets.from_labels(Y, 4)
PAIRS, SHARES = np.array([[2, 1], [0, 3], [3, 0]]), np.array([[0.5, 0.25]] * 3)
BUCKET = st.Targets.from_top_k(PAIRS, SHARES, 4, tail="bucket")
LISTED = st.Targets.from_top_k(PAIRS, SHARES, 4, tail="renormalize")
STATE = st.SoftmaxState.of(X, Y)
DENSE = st.Targets.from_distributions
INTEGERS, MASK = np.array([0, 0, 3, 0]), np.array([True, True, False, True])
READ_ONLY = np.zeros((3, 4))
READ_ONLY.flags.writeable = False


def loss(**words: Any) -> Callable[[], object]:
    """Return a call of the cross-entropy, of X and Y unless ``words`` say otherwise."""
    return lambda: st.cross_entropy(**({"logits": X, "targets": Y} | words))


def gradient(out: Any) -> Callable[[], object]:
    """Return a call that writes its gradient into ``out``."""
    return lambda: st.value_and_grad(st.cross_entropy, out=out)(X, Y)


def top_k(labels: Any = PAIRS, weights: Any = SHARES, **words: Any) -> Callable[[], object]:
    """Return a call that makes the targets of a teacher."""
    return lambda: st.Targets.from_top_k(labels, weights, 4, **({"tail": "drop"} | words))


KINDS = "targets must be integer labels or real floating distributions"
ONE_MASS = "targets must have one mass per class, got top-k targets with a tail bucket"
LEFT_OUT = "ignore_index must be left out unless targets are integer labels (where= masks rows)"
CLASS_MASK = "class_mask must have shape (4,), or (3, 4) with 1 in place of rows"
NAN = float("nan")
ROWS = " [the shape of logits without its class axis]"
SHAPES = "targets must have shape (3,) for labels or (3, 4) for distributions"
BOTH_SHAPES = " [logits: (3, 4), axis: -1]"
FINITE = "be finite and at least 0"
TYPES: list[tuple[str, Callable[[], object]]] = [
    ("logits must be an array, got list", loss(logits=X.tolist())),
    ("logits must have a real floating-point dtype, got int64", loss(logits=Q.astype(np.int64))),
    ("logits must have a real floating-point dtype, got complex128", loss(logits=X + 0j)),
    ("targets must be an array, got list", loss(targets=[2, 0, 3])),
    ("targets must be an array, got int", loss(targets=2)),
    (f"{KINDS}, got bool", loss(targets=Y > 1)),
    ("targets must have an integer dtype for labels (one_hot makes distributions of them), "
     "got float64 [logits: (3, 4), axis: -1]", loss(targets=V)),
    ("axis must be an int, got float", loss(axis=1.0)),
    ("axis must be an int, got bool", loss(axis=True)),
    ("ignore_index must be an int, got float", loss(ignore_index=-1.0)),
    ("ignore_index must be an int, got ndarray", loss(ignore_index=np.array(3))),
    ("where must be an array, got list", loss(where=[True, False, True])),
    ("where must have dtype bool, got int64", loss(where=Y)),
    ("class_mask must have dtype bool, got float64", loss(class_mask=W)),
    ("class_weight must be an array, got tuple", loss(class_weight=(1.0, 2.0, 0.5, 4.0))),
    ("class_weight must have a real dtype, got bool", loss(class_weight=MASK)),
    ("sample_weight must have a real dtype, got complex128", loss(sample_weight=V + 0j)),
    ("prior must be an array, got list", loss(prior=[0.25] * 4, label_smoothing=0.1)),
    ("prior must have a real floating-point dtype, got int64", loss(prior=np.array([1, 0, 0, 0]))),
    ("label_smoothing must be a number or an array, got True", loss(label_smoothing=True)),
    ("label_smoothing must be a number or an array, got '0.1'", loss(label_smoothing="0.1")),
    ("label_smoothing must be a number or an array, got list", loss(label_smoothing=[0.1] * 3)),
    ("label_smoothing must be a number or an array, got complex", loss(label_smoothing=0.1j)),
    ("label_smoothing must be a number or an array, got NoneType", loss(label_smoothing=None)),
    ("label_smoothing must have a real floating-point dtype, got int64", loss(label_smoothing=Y)),
    ("z_loss must be a number or an array, got False", loss(z_loss=False)),
    ("confidence_penalty must be a number or an array, got '1'", loss(confidence_penalty="1")),
    ("denominator must be a number or an array, got list", loss(denominator=[8.0])),
    ("out must be an array, got list", gradient([])),
    ("out must have the dtype float64 of logits, got float32", gradient(np.zeros((3, 4), "f4"))),
    ("out must be an array that can be written into, got ndarray", gradient(READ_ONLY)),
    ("loss must be a loss of softtargets, got sum", lambda: st.value_and_grad(sum)),
    ("loss must be partial in keywords only, got positional arguments",
     lambda: st.value_and_grad(functools.partial(st.cross_entropy, X))),
    ("labels must be an array, got list", lambda: st.Targets.from_labels([2, 0], 4)),
    ("labels must have an integer dtype, got float64", lambda: st.one_hot(V, 4)),
    ("num_classes must be an int, got float", lambda: st.one_hot(Y, 4.0)),
    ("num_classes must be an int, got bool", lambda: st.one_hot(Y, True)),
    ("q must have a real floating-point dtype, got int64", lambda: DENSE(PAIRS)),
    ("q must be an array, got NoneType", lambda: DENSE(None)),
    ("weights must have a real floating-point dtype, got int64", top_k(weights=PAIRS)),
    ("labels must have an integer dtype, got float64", top_k(labels=SHARES)),
    ("dtype must have a real floating-point dtype, got int32", lambda: T.to_dense(dtype=np.int32)),
    ("x must have a real floating-point dtype, got int64", lambda: T.dot(np.ones((3, 4), int))),
    ("targets must be an array, got list", lambda: st.smooth_labels([2, 0], 0.1, num_classes=4)),
    (f"{KINDS}, got bool", lambda: st.smooth_labels(MASK, 0.1)),
    ("num_classes must be given for integer labels, got None", lambda: st.smooth_labels(Y, 0.1)),
    ("a must be Targets, got ndarray", lambda: st.mix(Y, T, 0.5)),
    ("b must be Targets, got ndarray", lambda: st.mix(T, Y, 0.5)),
    ("other must be Targets, got ndarray", lambda: T.mix(Y, 0.5)),
    ("lam must be a number or an array, got list", lambda: T.mix(T, [0.5])),
    ("per_class must be a number or an array, got list", lambda: T.smooth(per_class=[0.1] * 4)),
    ("targets must have rows to be counted, got the target of a single row", lambda: len(T[0])),
    ("other must be a SoftmaxState, got Targets", lambda: STATE.merge(T)),
    ("reduction must be given to loss(), got a keyword of of()",
     lambda: st.SoftmaxState.of(X, Y, reduction="sum")),
]  # fmt: skip
VALUES: list[tuple[str, Callable[[], object]]] = [
    (f"{SHAPES}, got (4,){BOTH_SHAPES}", loss(targets=np.array([2, 0, 3, 1]))),
    (f"{SHAPES}, got (1, 4){BOTH_SHAPES}", loss(targets=Q[:1])),
    ("targets must have shape (3,) for integer labels; integer one-hot rows must be floats, "
     f"got (3, 4){BOTH_SHAPES}", loss(targets=Q.astype(int))),
    (f"targets must have shape (3, 4), got (2, 4){BOTH_SHAPES}", loss(targets=T[:2])),
    (f"targets must have shape (3, 4), got (3, 5){BOTH_SHAPES}",
     loss(targets=st.Targets.from_labels(Y, 5))),
    ("targets must be in [0, 4) or ignore_index -100, got -1 at position (2,)",
     loss(targets=np.array([2, 0, -1]))),
    ("targets must be in [0, 4), got 4 at position (0,)",
     loss(targets=np.array([4, 0, 3]), ignore_index=3)),
    ("targets must name classes that class_mask keeps, got 2 at position (0,)",
     loss(class_mask=MASK)),
    ("targets must be 0 on classes that class_mask drops, got 0.25 at position (0, 2)",
     loss(class_mask=MASK, targets=Q)),
    ("prior must have mass on classes that class_mask keeps, got 0.0 at position (0, 0)",
     loss(class_mask=~MASK, targets=np.array([2, 2, 2]), prior=np.array([1.0, 0, 0, 0]),
          label_smoothing=0.1)),
    (f"targets must {FINITE}, got -0.5 at position (0, 0)", loss(targets=-Q)),
    ("rows of targets must sum to 1, got 2.0 at position (0,)", loss(targets=Q * 2)),
    ("logits must have at least one class, got (3, 0) [axis: -1]", loss(logits=X[:, :0])),
    ("axis must be in [-2, 2), got 2", loss(axis=2)),
    ("logits must have a known shape (compute_chunk_sizes finds it), got (nan, 4)",
     lambda: axes.check_known(SimpleNamespace(shape=(NAN, 4)), "logits")),
    ("logits must have a class axis, got ()", loss(logits=np.array(1.0))),
    ("reduction must be one of 'none', 'sum', 'mean', got 'total'", loss(reduction="total")),
    ("reduction must be one of 'none', 'sum', 'mean', got None", loss(reduction=None)),
    ("spread must be one of 'all', 'others', got 'uniform'", loss(spread="uniform")),
    (f"{LEFT_OUT}, got -1", loss(targets=Q, ignore_index=-1)),
    (f"where must have shape (3,), got (3, 1){ROWS}", loss(where=np.ones((3, 1), bool))),
    (f"{CLASS_MASK}, got (3,)", loss(class_mask=MASK[:3])),
    (f"{CLASS_MASK}, got (3, 1)", loss(class_mask=np.ones((3, 1), bool))),
    (f"{CLASS_MASK}, got (2, 4)", loss(class_mask=np.ones((2, 4), bool))),
    ("class_weight must have shape (4,), got (3,)", loss(class_weight=V)),
    (f"class_weight must {FINITE}, got -1.0 at position (0,)", loss(class_weight=-W)),
    (f"class_weight must {FINITE}, got -3 at position (2,)", loss(class_weight=-INTEGERS)),
    ("class_weight must be None for top-k targets with a tail bucket, got an array",
     loss(targets=BUCKET, class_weight=W)),
    (f"sample_weight must have shape (3,), got (4,){ROWS}", loss(sample_weight=W)),
    (f"sample_weight must {FINITE}, got nan at position (2,)", loss(sample_weight=V * [1, 1, NAN])),
    (f"sample_weight must {FINITE}, got inf at position (0,)", loss(sample_weight=V * np.inf)),
    ("prior must have shape (4,) or (4, 4), got (3,)", loss(prior=V)),
    ("prior must sum to 1, got 7.5 at position ()", loss(prior=W)),
    (f"prior must {FINITE}, got -1.0 at position (0,)", loss(prior=-W)),
    ("rows of prior must sum to 1, got 0.5 at position (2,)",
     loss(prior=np.eye(4) * [[1], [1], [0.5], [1]])),
    ("label_smoothing must be in [0, 1], got 1.5", loss(label_smoothing=1.5)),
    ("label_smoothing must be in [0, 1], got -0.1", loss(label_smoothing=-0.1)),
    ("label_smoothing must be in [0, 1], got nan", loss(label_smoothing=NAN)),
    ("label_smoothing must be in [0, 1], got inf", loss(label_smoothing=np.float32("inf"))),
    ("label_smoothing must be in [0, 1], got 2.0 at position (1,)", loss(label_smoothing=V)),
    ("label_smoothing must be in [0, 1], got nan at position ()",
     loss(label_smoothing=np.array(NAN))),
    ("label_smoothing must have shape () or (3,), got (4,)", loss(label_smoothing=W / 4)),
    (f"z_loss must {FINITE}, got -1.0", loss(z_loss=-1.0)),
    (f"confidence_penalty must {FINITE}, got inf at position ()",
     loss(confidence_penalty=np.array(np.inf))),
    ("confidence_penalty must have shape (), got (3,)", loss(confidence_penalty=V)),
    ("denominator must be finite and above 0, got 0", loss(denominator=0)),
    ("denominator must be finite and above 0, got 0.0 at position ()",
     loss(denominator=np.array(0.0))),
    ("denominator must be None unless reduction is 'mean', got 3.0",
     loss(denominator=3.0, reduction="sum")),
    ("out must have shape (3, 4), got (4, 3) [the shape of logits]", gradient(np.zeros((4, 3)))),
    ("num_classes must be at least 1, got 0", lambda: st.one_hot(Y, 0)),
    ("labels must be in [0, 3) or ignore_index -100, got 3 at position (2,)",
     lambda: st.one_hot(Y, 3)),
    (f"q must {FINITE}, got -0.5 at position (0, 0)", lambda: DENSE(-Q)),
    ("rows of q must sum to 1, got 0.5 at position (0,)", lambda: DENSE(Q / 2)),
    ("axis must be in [-2, 2), got -3", lambda: DENSE(Q, axis=-3)),
    ("q must have at least one class, got (3, 0) [axis: -1]", lambda: DENSE(Q[:, :0])),
    ("targets must be in [0, 3) or ignore_index -100, got 3 at position (2,)",
     lambda: st.smooth_labels(Y, 0.1, num_classes=3)),
    ("rows of targets must sum to 1, got 0.5 at position (0,)",
     lambda: st.smooth_labels(Q / 2, 0.1)),
    ("num_classes must be 4, the size of targets along axis -1, got 5",
     lambda: st.smooth_labels(Q, 0.1, num_classes=5)),
    ("tail must be one of 'bucket', 'drop', 'renormalize', got 'keep'", top_k(tail="keep")),
    ("weights must have shape (3, 2), got (3,) [the shape of labels]", top_k(weights=V)),
    (f"weights must {FINITE}, got -0.25 at position (0, 1)", top_k(weights=SHARES * [1, -1])),
    ("rows of weights must sum to at most 1, got 1.5 at position (0,)", top_k(weights=SHARES * 2)),
    ("labels must have a last axis of at least one class, got ()", top_k(Y[0], V[0])),
    ("labels must be in [0, 4) or ignore_index -100, got 9 at position (0, 0)", top_k(PAIRS + 7)),
    (ONE_MASS, BUCKET.to_dense),
    (ONE_MASS, BUCKET.entropy),
    (ONE_MASS, lambda: BUCKET.dot(X)),
    ("spread must be 'all' for top-k targets with a tail bucket, got 'others'",
     lambda: BUCKET.smooth(0.1, spread="others")),
    ("prior must have shape (4,), got (4, 4)", lambda: BUCKET.smooth(0.1, prior=np.eye(4))),
    ("spread must be 'all' for targets that are smoothed already, got 'others'",
     lambda: T.smooth(0.1, spread="others").smooth(0.1, spread="others")),
    ("per_class must be None for targets that are smoothed already or have a tail bucket, "
     "got an array", lambda: T.smooth(0.1).smooth(per_class=W / 4)),
    ("per_class must have shape (4,), got (3,)", lambda: T.smooth(per_class=V / 4)),
    ("per_class must be in [0, 1], got 2.0 at position (1,)", lambda: T.smooth(per_class=W)),
    ("label_smoothing must be 0 beside per_class, got 0.1", lambda: T.smooth(0.1, per_class=W / 4)),
    ("x must have shape (3, 4), got (4, 3)", lambda: T.dot(X.T)),
    ("lam must be in [0, 1], got 1.5", lambda: T.mix(T, 1.5)),
    ("lam must be in [0, 1], got 2.0 at position (1,)", lambda: T.mix(T, V)),
    ("lam must have shape () or (3,) or (3, 1), got (4,)", lambda: T.mix(T, W / 4)),
    ("other must have shape (3, 4), got (2, 4)", lambda: T.mix(T[:2], 0.5)),
    ("other must have the same class weights, got other class weights",
     lambda: T.mix(T.weighted(W), 0.5)),
    ("other must have the same renormalized classes, got other classes",
     lambda: T.mix(LISTED, 0.5)),
    ("other must have rows of shape (3,), got (2,)",
     lambda: STATE.merge(st.SoftmaxState.of(X[:2], Y[:2]))),
    ("first_class must be in [0, 4], got 5",
     lambda: st.SoftmaxState.of(X, Y, num_classes=8, first_class=5)),
    ("num_classes must be at least 4, the number of classes of logits, got 3",
     lambda: st.SoftmaxState.of(X, Y, num_classes=3)),
]  # fmt: skip
MORE = [import_module(f"tests.{path.stem}") for path in sorted(HERE.glob("messages*.py"))]
CASES = [(TypeError, *case) for case in [*TYPES, *(c for more in MORE for c in more.TYPES)]]
CASES += [(ValueError, *case) for case in [*VALUES, *(c for more in MORE for c in more.VALUES)]]


@pytest.mark.parametrize(("error", "message", "act"), CASES, ids=[case[1] for case in CASES])
def test_message(error: type[Exception], message: str, act: Callable[[], object]) -> None:
    """A bad argument raises the error whose text is this."""
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        act()


class Elsewhere(np.ndarray):
    """An array that need not be in host memory, for all that the library knows."""


def two_devices() -> object:
    """Pretend that two arrays lie on two devices."""
    x, q = X.view(Elsewhere), Q.view(Elsewhere)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(namespaces, "device", lambda array: "far" if array is q else "near")
        return st.cross_entropy(x, q)


def test_two_devices() -> None:
    """Arrays on two devices raise an error that names both."""
    text = r"^logits and targets must be on one device, got near and far$"
    with pytest.raises(ValueError, match=text):
        two_devices()


#: What raises or warns, beside the table above. Elsewhere: tests/test_traits.py, test_plots.py.
OTHERS = [two_devices, lambda: T.smooth(0.9, spread="others")]
OTHERS += [act for more in MORE for act in getattr(more, "WARNINGS", ())]


def test_every_call_has_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place in the source that builds a message is reached by a case of this file."""
    wanted = {place for place, name in calls_of_errors().items() if name not in ELSEWHERE}
    reached = set()
    for name in set(calls_of_errors().values()):
        monkeypatch.setattr(errors, name, recorder(getattr(errors, name), reached))
    for act in [*(case[2] for case in CASES), *OTHERS]:
        with pytest.raises((TypeError, ValueError, UserWarning)):
            act()
    missing = {f"{Path(file).relative_to(SOURCE)}:{line}" for file, line in wanted - reached}
    assert missing == set()
    assert len(wanted) > 40
