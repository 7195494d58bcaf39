"""Every error of softtargets.distributed in full, and on which members it is raised."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets import distributed
from tests.frameworks.distributed_cases import LABELS, X
from tests.frameworks.threads import ThreadGroup, groups, run

torch = pytest.importorskip("torch")
pytest.importorskip("jax")
da = pytest.importorskip("dask.array")

Bins, Summary = st.calibration.CalibrationBins, st.calibration.CalibrationSummary
CLASSES, ROWS = "on every rank of class_group, got", "on every rank of row_group, got"
OTHER = "other ones on rank 1 than on rank 0"
UNIFORM = np.full((6, 8), 0.125)
GROUP = "on every rank of group, got"
GROUPS = "be a process group, the name of a mesh axis, or a Group"


def differs(message: str, **change: Any) -> tuple[str, Callable[[ThreadGroup], Any]]:
    """Return a call that one member of a group of classes makes with other arguments."""
    same = {"logits": X, "targets": LABELS, "label_smoothing": 0.1}

    def call(group: ThreadGroup) -> Any:
        given = same | change if group.rank else same
        return distributed.cross_entropy(class_group=group, **given)

    return message, call


def rows(message: str, **change: Any) -> tuple[str, Callable[[ThreadGroup], Any]]:
    """Return a call that one member of a group of rows makes with other arguments."""
    same = {"logits": X, "targets": LABELS}

    def call(group: ThreadGroup) -> Any:
        return distributed.cross_entropy(row_group=group, **(same | change if group.rank else same))

    return message, call


def merged(message: str, *parts: Any) -> tuple[str, Callable[[ThreadGroup], Any]]:
    """Return a merge of parts that do not fit, one for each member."""
    return message, lambda group: distributed.merge(parts[group.rank], group)


def state(x: Any) -> st.SoftmaxState:
    return st.SoftmaxState.of(x, np.zeros(x.shape[:-1], dtype=np.int64))


def wide(classes: int) -> Bins:
    """Return counts of each of so many classes."""
    bins = Bins(from_logits=True, scope="classwise")
    bins.update(X[:, :classes], np.zeros(6, dtype=np.int64))
    return bins


BEST = st.Targets.from_top_k(LABELS[:, None], np.full((6, 1), 0.5), 8, tail="bucket")
#: What one member of two gets wrong raises ValueError on both.
ON_BOTH = [
    differs(f"logits must have the same dtype {CLASSES} float64 on rank 0 and float32 on rank 1",
            logits=X.astype(np.float32)),
    differs(f"logits must have as many rows {CLASSES} 6 on rank 0 and 5 on rank 1",
            logits=X[:5], targets=LABELS[:5]),
    differs(f"logits must have rows of the same shape {CLASSES} {OTHER}",
            logits=X.reshape(2, 3, 8), targets=LABELS.reshape(2, 3)),
    differs(f"reduction must be the same {CLASSES} 'mean' on rank 0 and 'sum' on rank 1",
            reduction="sum"),
    differs(f"num_classes must be the same {CLASSES} none on rank 0 and 8 on rank 1",
            num_classes=8),
    differs(f"targets must be the same {CLASSES} {OTHER}", targets=LABELS[::-1]),
    differs(f"targets must be the same {CLASSES} {OTHER}", targets=UNIFORM),
    differs(f"targets must be the same {CLASSES} {OTHER}",
            targets=st.Targets.from_labels(LABELS, 16).smooth(0.1)),
    differs(f"the other arguments must be the same {CLASSES} {OTHER}", label_smoothing=0.2),
    differs(f"the other arguments must be the same {CLASSES} {OTHER}", prior=UNIFORM[0]),
    differs("first_class must be given on every rank of class_group, or on none, got None on "
            "rank 0", first_class=4),
    ("first_class must make blocks of all 16 classes, got [0, 8), [4, 12)",
     lambda group: distributed.cross_entropy(
         X, LABELS, class_group=group, first_class=4 * group.rank)),
    ("first_class must make blocks of all 20 classes, got [0, 8), [8, 16)",
     lambda group: distributed.cross_entropy(X, LABELS, class_group=group, num_classes=20)),
    rows(f"logits must have the same dtype {ROWS} float64 on rank 0 and float32 on rank 1",
         logits=X.astype(np.float32)),
    rows(f"logits must have as many classes {ROWS} 8 on rank 0 and 7 on rank 1", logits=X[:, 1:]),
    rows(f"reduction must be the same {ROWS} 'mean' on rank 0 and 'sum' on rank 1",
         reduction="sum"),
    merged(f"part must have as many rows {GROUP} 6 on rank 0 and 5 on rank 1",
           state(X), state(X[:5])),
    merged(f"part must have rows of the same shape {GROUP} {OTHER}",
           state(X), state(X.reshape(2, 3, 8))),
    merged(f"part must have the same dtype {GROUP} float64 on rank 0 and float32 on rank 1",
           state(X), state(X.astype(np.float32))),
    merged(f"part must have as many tails {GROUP} 0 on rank 0 and 1 on rank 1",
           state(X), st.SoftmaxState.of(X, BEST)),
    merged(f"part must have as many bins {GROUP} 15 on rank 0 and 5 on rank 1",
           Bins(from_logits=True), Bins(from_logits=True, num_bins=5)),
    merged(f"part must have the same scope {GROUP} 'top' on rank 0 and 'classwise' on rank 1",
           Bins(from_logits=True), Bins(from_logits=True, scope="classwise")),
    merged(f"part must have the same from_logits {GROUP} True on rank 0 and False on rank 1",
           Bins(from_logits=True), Bins(from_logits=False)),
    merged(f"part must have as many classes {GROUP} 8 on rank 0 and 5 on rank 1", wide(8), wide(5)),
    merged(f"part must have as many bins of the error {GROUP} 1 on rank 0 and 2 on rank 1",
           Summary(from_logits=True, num_bins=1), Summary(from_logits=True, num_bins=2)),
]  # fmt: skip


@pytest.mark.parametrize(("message", "call"), ON_BOTH, ids=[case[0] for case in ON_BOTH])
def test_what_does_not_fit(message: str, call: Callable[[ThreadGroup], Any]) -> None:
    """What one member gets wrong raises the same error on all of them, and names a rank."""
    found = run(2, call)
    assert [type(error) for error in found] == [ValueError] * 2, found
    assert [str(error) for error in found] == [message] * 2


@pytest.mark.parametrize(
    ("change", "own"),
    [
        ({"logits": X > 0}, "logits must have a real floating-point dtype, got bool"),
        ({"logits": X.tolist()}, "logits must be an array, got list"),
        ({"logits": X[0, 0]}, "logits must have a class axis, got ()"),
        ({"axis": 2}, "axis must be in [-2, 2), got 2"),
        ({"first_class": 1.0}, "first_class must be an int, got float"),
        ({"num_classes": 0}, "num_classes must be at least 1, got 0"),
    ],
)
def test_what_is_wrong_by_itself(change: dict[str, Any], own: str) -> None:
    """A member whose arguments are wrong raises its own error, and no other waits for it."""
    found = run(2, differs("", **change)[1])
    assert str(found[1]) == own
    message = "class_group must get arguments that are valid on every rank, got an error on rank 1"
    assert [type(found[0]), str(found[0])] == [ValueError, message]


def one(**words: Any) -> Callable[[], Any]:
    """Return a call of a loss, of X and LABELS unless ``words`` say otherwise."""
    return lambda: distributed.cross_entropy(**({"logits": X, "targets": LABELS} | words))


def chunks(counted: Any = None, **words: Any) -> Callable[[], Any]:
    """Return a call that counts Dask arrays, of X and LABELS unless ``words`` say otherwise."""
    given = {"scores": da.from_array(X), "targets": da.from_array(LABELS)} | words
    return lambda: distributed.count_chunks(counted or Bins(from_logits=True), **given)


UNKNOWN = da.from_array(X)[da.from_array(LABELS) > 0]
NEEDS = "unless class_group is given"
TYPES: list[tuple[str, Callable[[], Any]]] = [
    (f"class_group must {GROUPS}, got int", one(class_group=3)),
    (f"row_group must {GROUPS}, got tuple", one(row_group=())),
    (f"group must {GROUPS}, got None", lambda: distributed.merge(Bins(from_logits=True), None)),
    ("class_group must be a process group or a Group, unless arrays are those of JAX, got 'tp'",
     one(class_group="tp")),
    ("group must be a process group or a Group, unless arrays are those of JAX, got ('a', 'b')",
     lambda: distributed.merge(state(X), ("a", "b"))),
    ("averaged must be True or False, got int", one(averaged=1)),
    ("check must be True, False or None, got str", one(check="yes")),
    ("loss must be a loss of softtargets.distributed, got cross_entropy",
     lambda: distributed.value_and_grad(st.cross_entropy)),
    ("part must be a SoftmaxState, CalibrationBins or CalibrationSummary, got list",
     lambda: distributed.merge([], groups(1)[0][0])),
    ("counted must be CalibrationBins or a CalibrationSummary, got list", chunks([1])),
    ("scores must be a Dask array, got ndarray", chunks(scores=X)),
    ("where must be a Dask array, got ndarray", chunks(where=LABELS > 0)),
]  # fmt: skip
VALUES: list[tuple[str, Callable[[], Any]]] = [
    (f"first_class must be None {NEEDS}, got 2", one(first_class=2)),
    (f"num_classes must be None {NEEDS}, got 8", one(num_classes=8)),
    ("where must have shape (6,), got (5,)", chunks(where=da.from_array(LABELS[:5] > 0))),
    ("targets must have shape (6,) for labels or (6, 8) for distributions, got (5,)",
     chunks(targets=da.from_array(LABELS[:5]))),
    ("scores must have a known shape (compute_chunk_sizes finds it), got (nan, 8)",
     chunks(scores=UNKNOWN)),
]  # fmt: skip
CASES = [(TypeError, *case) for case in TYPES] + [(ValueError, *case) for case in VALUES]


@pytest.mark.parametrize(("error", "message", "act"), CASES, ids=[case[1] for case in CASES])
def test_what_is_refused(error: type[Exception], message: str, act: Callable[[], Any]) -> None:
    """A bad argument raises the error whose text is this."""
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        act()


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no group is refused in the same words where torch is not imported."""
    monkeypatch.delitem(sys.modules, "torch.distributed")
    with pytest.raises(TypeError, match=f"^class_group must {GROUPS}, got int$"):
        one(class_group=3)()


def test_second_derivatives_of_a_group() -> None:
    """A group of one's own gives torch gradients, but no derivatives of them."""
    x, labels = torch.from_numpy(X.copy()).requires_grad_(True), torch.from_numpy(LABELS)
    (group,) = groups(1)[0]
    group.maximum = group.sum = lambda array: array
    layer = x[:, :4].detach().requires_grad_(True), torch.ones(8, 4).double()
    for loss, leaf in (
        (distributed.cross_entropy(x, labels, class_group=group), x),
        (distributed.linear_cross_entropy(*layer, labels, class_group=group), layer[0]),
    ):
        message = "class_group must be a process group where gradients are differentiated, got "
        with pytest.raises(TypeError, match=f"^{message}ThreadGroup$"):
            torch.autograd.grad(loss, leaf, create_graph=True)
    with pytest.raises(NotImplementedError):
        group.replicated(x)
