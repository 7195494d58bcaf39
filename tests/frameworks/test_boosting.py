"""What both modules for gradient boosting share: calls, labels, weights, places, copies."""

from __future__ import annotations

import copy
import pickle
import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import softtargets as st
import softtargets.lightgbm as for_lightgbm
import softtargets.xgboost as for_xgboost
from tests.frameworks.boosting import Data, plain, teacher

BOTH = pytest.mark.parametrize("module", [for_xgboost, for_lightgbm], ids=["xgboost", "lightgbm"])
SCORES = np.random.default_rng(5).standard_normal((6, 4)).astype(np.float32)
LABELS = np.array([0, 3, 1, 2, 1, 0])
KEPT = LABELS.astype(np.float32)
WEIGHTS = np.array([1.0, 2.0, 0.5, 0.0, 1.0, 3.0], dtype=np.float32)
CLASS_WEIGHT = np.array([1.0, 2.0, 0.5, 4.0])
TRANSITION = st.noise_transition(4, 0.3)


def factor(module: ModuleType, classes: int = 4) -> float:
    return 2.0 if module is for_xgboost else classes / (classes - 1)


@BOTH
def test_native_and_wrapped_calls(module: ModuleType) -> None:
    """(scores, data) and (labels, scores, weights) give the same, of the dtype of the scores and
    contiguous, and it is the gradient and the Hessian of the core.
    """
    prior = np.array([0.4, 0.3, 0.2, 0.1])
    options = {"label_smoothing": 0.1, "prior": prior, "class_weight": CLASS_WEIGHT}
    objective = module.CrossEntropyObjective(**options)
    for weight, none in ((WEIGHTS, None), (None, None), (None, np.empty(0, np.float32))):
        native = objective(SCORES, Data(KEPT, weight if none is None else none))
        wrapped = objective(KEPT, SCORES, weight)
        sample_weight = None if weight is None else weight.astype(np.float64)
        want = plain(SCORES, LABELS, sample_weight=sample_weight, **options)
        for mine, other, core, scale in zip(
            native, wrapped, want, (1, factor(module)), strict=True
        ):
            np.testing.assert_array_equal(mine, other)
            assert mine.dtype == np.float32
            assert mine.flags.c_contiguous
            np.testing.assert_allclose(mine, scale * core, rtol=1e-5, atol=1e-6)
    newton = module.CrossEntropyObjective(hessian_factor=1.0)(KEPT, SCORES)[1]
    np.testing.assert_allclose(newton, plain(SCORES, LABELS)[1], rtol=1e-5)


@BOTH
def test_one_score_per_row(module: ModuleType) -> None:
    """One score per row is the logit of class 1 of two, with all options of more classes; without
    a prior or weights of classes it is the binary cross-entropy.
    """
    scores, labels = SCORES[:, 0], KEPT % 2
    objective = module.CrossEntropyObjective(label_smoothing=0.2, class_weight=CLASS_WEIGHT[:2])
    both = np.stack([np.zeros(6, np.float32), scores], axis=1)
    want = plain(both, LABELS % 2, label_smoothing=0.2, class_weight=CLASS_WEIGHT[:2])
    for mine, core in zip(objective(labels, scores), want, strict=True):
        assert mine.shape == (6,)
        assert mine.flags.c_contiguous
        np.testing.assert_allclose(mine, core[:, 1], rtol=1e-5, atol=1e-6)
    softmax = module.CrossEntropyObjective(label_smoothing=0.2)(labels, scores, WEIGHTS)
    sigmoid = module.BinaryCrossEntropyObjective(label_smoothing=0.2)(labels, scores, WEIGHTS)
    for mine, other in zip(softmax, sigmoid, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)


@BOTH
def test_distributions(module: ModuleType, rng: np.random.Generator) -> None:
    """Labels may be distributions, flattened or not, and targets stand in for labels, as arrays or
    as `Targets`.
    """
    q = teacher(LABELS, 4, rng)
    make = module.CrossEntropyObjective
    want = make()(q, SCORES)
    np.testing.assert_allclose(want[0], plain(SCORES, q.astype(np.float64))[0], atol=1e-6)
    for found in (
        make()(SCORES, Data(q.reshape(-1))),
        make(targets=q)(KEPT, SCORES),
        make(targets=st.Targets.from_distributions(q))(SCORES, Data(np.empty(0, np.float32))),
    ):
        for mine, other in zip(found, want, strict=True):
            np.testing.assert_array_equal(mine, other)
    answers = q[:, :2]
    binary = module.BinaryCrossEntropyObjective
    want = binary(pos_weight=3.0, prior=0.25, label_smoothing=0.1)(answers, SCORES[:, :2], WEIGHTS)
    core = st.value_grad_hessian(st.binary_cross_entropy)(
        SCORES[:, :2],
        answers,
        sample_weight=WEIGHTS,
        pos_weight=3.0,
        prior=0.25,
        label_smoothing=0.1,
        reduction="sum",
    )
    other = binary(pos_weight=3.0, prior=0.25, label_smoothing=0.1, targets=answers)(
        SCORES[:, :2], Data(answers.reshape(-1), WEIGHTS)
    )
    least = np.float32(1e-16 if module is for_xgboost else 0.0)
    for found in (want, other):
        np.testing.assert_array_equal(found[0], core[1])
        np.testing.assert_array_equal(found[1], np.maximum(core[2], least))


@BOTH
def test_noisy_labels(module: ModuleType) -> None:
    """With a transition the gradient is that of forward correction, and the Hessian bounds that of
    it from above: measured along each score.
    """
    objective = module.CrossEntropyObjective(
        transition=TRANSITION, class_weight=CLASS_WEIGHT, hessian_factor=1.0
    )
    scores = SCORES.astype(np.float64)
    gradient, hessian = objective(KEPT, scores, WEIGHTS)
    both = st.value_and_grad(st.forward_correction)
    options = {"class_weight": CLASS_WEIGHT, "sample_weight": WEIGHTS, "reduction": "sum"}
    np.testing.assert_array_equal(gradient, both(scores, LABELS, TRANSITION, **options)[1])
    step, slack = 2.0**-14, []
    for k in range(4):
        sides = [
            both(scores + sign * step * np.eye(4)[k], LABELS, TRANSITION, **options)[1][:, k]
            for sign in (1, -1)
        ]
        slack.append(hessian[:, k] - (sides[0] - sides[1]) / (2 * step))
    assert np.min(slack) > -1e-7
    assert np.max(slack) > 0.01
    metric = module.CrossEntropyMetric(transition=TRANSITION)(SCORES, Data(KEPT))
    assert metric[1] == pytest.approx(float(st.forward_correction(SCORES, LABELS, TRANSITION)))
    with pytest.raises(
        ValueError, match=r"^label_smoothing must be 0 beside a transition, got 0\.5$"
    ):
        module.CrossEntropyMetric(transition=TRANSITION, label_smoothing=0.5)
    with pytest.raises(ValueError, match=r"^prior must be left out beside a transition, got ndarr"):
        module.CrossEntropyObjective(transition=TRANSITION, prior=CLASS_WEIGHT / 8)


@BOTH
def test_metrics(module: ModuleType) -> None:
    """A metric is the mean of the core, weights included, as each way of calling wants it."""
    metric = module.CrossEntropyMetric(label_smoothing=0.1, name="ce")
    want = float(st.cross_entropy(SCORES, LABELS, label_smoothing=0.1, sample_weight=WEIGHTS))
    native, wrapped = metric(SCORES, Data(KEPT, WEIGHTS)), metric(KEPT, SCORES, WEIGHTS)
    binary = module.BinaryCrossEntropyMetric()
    scores, labels = SCORES[:, 0], KEPT % 2
    value = float(st.binary_cross_entropy(scores, labels, axis=None))
    if module is for_xgboost:
        assert native == ("ce", want)
        assert wrapped == want
        assert metric.__name__ == "ce"
        assert binary(scores, Data(labels)) == ("binary_cross_entropy", value)
        assert binary(labels, scores) == value
        assert binary.__name__ == "binary_cross_entropy"
    else:
        assert native == wrapped == ("ce", want, False)
        assert binary(scores, Data(labels)) == ("binary_cross_entropy", value, False)


@BOTH
def test_copies(module: ModuleType) -> None:
    """Objectives and metrics can be pickled and copied, and say what they are."""
    data = Data(KEPT, WEIGHTS)
    for value in (
        module.CrossEntropyObjective(label_smoothing=0.1, class_weight=CLASS_WEIGHT),
        module.CrossEntropyMetric(label_smoothing=0.1),
    ):
        assert repr(value).startswith(f"{type(value).__name__}(label_smoothing=0.1, ")
        for other in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
            for mine, same in zip(other(SCORES, data), value(SCORES, data), strict=True):
                np.testing.assert_array_equal(mine, same)


@BOTH
@pytest.mark.parametrize("kind", ["CrossEntropyObjective", "BinaryCrossEntropyObjective"])
def test_devices(module: ModuleType, kind: str) -> None:
    """What NumPy holds goes to where anything is on a device, scores or labels, as options do."""
    torch = pytest.importorskip("torch")  # as a library whose arrays NumPy's do not mix with
    binary = kind.startswith("Binary")
    scores, labels = (SCORES[:, 0], KEPT % 2) if binary else (SCORES, KEPT)
    weight = {"pos_weight": np.array(2.0)} if binary else {"class_weight": CLASS_WEIGHT}
    objective = getattr(module, kind)(label_smoothing=0.1, **weight)
    want = objective(scores, Data(labels, WEIGHTS))
    there = torch.asarray
    for found in (
        objective(there(scores), Data(labels, WEIGHTS)),
        objective(scores, Data(there(labels), WEIGHTS)),
        objective(scores, Data(labels, there(WEIGHTS))),
    ):
        for mine, other in zip(found, want, strict=True):
            assert isinstance(mine, torch.Tensor)
            np.testing.assert_allclose(mine.numpy(), other, rtol=1e-6)


@BOTH
@pytest.mark.parametrize(
    ("scores", "labels", "error", "message"),
    [
        (SCORES, KEPT + 0.5, ValueError, "labels must be whole numbers, got 0.5 at position (0,)"),
        (SCORES, KEPT + 4, ValueError, "targets must be in [0, 4) or ignore_index -100, got 4 at"),
        (SCORES, KEPT[:5], ValueError, "targets must have shape (6,) for labels or (6, 4) for"),
        ([[1.0]], KEPT, TypeError, "scores must be an array, got list"),
        (SCORES, None, TypeError, "labels must be an array, got NoneType"),
    ],
)
def test_messages_of_arrays(
    module: ModuleType, scores: Any, labels: Any, error: type[Exception], message: str
) -> None:
    """What does not fit raises an error that names it."""
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        module.CrossEntropyObjective()(scores, Data(labels))


def test_least_hessian() -> None:
    """XGBoost's Hessian is never below 1e-16, also where the softmax is saturated."""
    saturated = np.array([[400.0, 0.0, -400.0]], dtype=np.float32)
    hessian = for_xgboost.CrossEntropyObjective()(np.array([0.0]), saturated)[1]
    assert np.all(hessian == np.float32(1e-16))
    single = for_xgboost.BinaryCrossEntropyObjective()(np.array([0.0]), saturated[0, :1])[1]
    assert np.all(single == np.float32(1e-16))
