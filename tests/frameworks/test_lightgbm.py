"""Training with LightGBM: as its own objectives without smoothing, bounded scores with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

import softtargets as st
from softtargets.lightgbm import (
    BinaryCrossEntropyObjective,
    CrossEntropyMetric,
    CrossEntropyObjective,
)
from tests.frameworks.boosting import digits, gap, teacher, tumours

lightgbm = pytest.importorskip("lightgbm")

SMALL = {
    "num_leaves": 7,
    "learning_rate": 0.3,
    "num_threads": 1,
    "verbosity": -1,
    "boost_from_average": False,
    "deterministic": True,
    "force_row_wise": True,
}


def trees(booster: Any) -> list[Any]:
    """Return the features and the thresholds of all trees, without the values of the leaves."""

    def shape(node: dict[str, Any]) -> Any:
        if "split_feature" not in node:
            return "leaf"
        below = [shape(node[side]) for side in ("left_child", "right_child")]
        return node["split_feature"], node["threshold"], below

    return [shape(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]


def train(objective: Any, x: np.ndarray, y: Any, rounds: int, **more: Any) -> Any:
    data = lightgbm.Dataset(x, label=y, weight=more.pop("weight", None))
    return lightgbm.train({**SMALL, **more, "objective": objective}, data, rounds)


@pytest.mark.parametrize("weighted", [False, True])
def test_same_trees_as_multiclass(weighted: bool) -> None:
    """Without smoothing the trees and the scores are those of `multiclass`."""
    x, y = digits()
    more = {"num_class": 10, "weight": 1.0 + y % 3 if weighted else None}
    own = train("multiclass", x, y, 6, **more)
    mine = train(CrossEntropyObjective(), x, y, 6, **more)
    assert trees(mine) == trees(own)
    scores = own.predict(x, raw_score=True)
    np.testing.assert_allclose(mine.predict(x), scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("own", "objective"),
    [
        ("binary", CrossEntropyObjective(class_weight=np.array([1.0, 2.0]))),
        ("binary", BinaryCrossEntropyObjective(pos_weight=2.0)),
        ("cross_entropy", BinaryCrossEntropyObjective()),
    ],
)
def test_same_trees_as_binary(own: str, objective: Any) -> None:
    """Without smoothing the trees and the scores are those of `binary`, with a weight of class 1
    for `scale_pos_weight`; and those of `cross_entropy`, whose labels are probabilities.
    """
    x, y = tumours()
    more = {} if own == "cross_entropy" else {"scale_pos_weight": 2.0}
    labels = 0.1 + 0.8 * y if own == "cross_entropy" else y
    theirs = train(own, x, labels, 8, **more)
    mine = train(objective, x, labels, 8)
    assert trees(mine) == trees(theirs)
    scores = theirs.predict(x, raw_score=True)
    np.testing.assert_allclose(mine.predict(x), scores, rtol=1e-4, atol=1e-5)


def test_gap_stays_finite() -> None:
    """More rounds do not drive the scores of separable classes beyond the optimal gap of the
    smoothing; without smoothing they pass it.
    """
    x = np.repeat(np.eye(4), 10, axis=0)
    y = np.repeat(np.arange(4), 10)
    more = {"num_class": 4, "min_data_in_leaf": 10, "min_sum_hessian_in_leaf": 1e-6}
    limit = float(st.analysis.optimal_logit_gap(0.1, 4))
    gaps = {}
    for rounds in (10, 80):
        for amount in (0.0, 0.1):
            objective = CrossEntropyObjective(label_smoothing=amount)
            gaps[rounds, amount] = gap(train(objective, x, y, rounds, **more).predict(x), y)
    assert gaps[80, 0.1] == pytest.approx(limit, rel=1e-3)
    assert gaps[10, 0.1] < gaps[80, 0.1] < limit + 1e-3
    assert gaps[80, 0.0] > limit + 1


def test_start() -> None:
    """The built-in objective begins at the frequencies of the classes; from the same beginning the
    trees are the same.
    """
    x, y = digits()
    data = lightgbm.Dataset(x, label=y)
    own = lightgbm.train(
        {**SMALL, "boost_from_average": True, "objective": "multiclass", "num_class": 10}, data, 3
    )
    start = np.broadcast_to(np.log(st.prior_from_counts(np.bincount(y))), (len(y), 10))
    data = lightgbm.Dataset(x, label=y, init_score=start)
    params = {**SMALL, "objective": CrossEntropyObjective(), "num_class": 10}
    mine = lightgbm.train(params, data, 3)
    assert trees(mine) == trees(own)
    scores = own.predict(x, raw_score=True)
    np.testing.assert_allclose(mine.predict(x) + start, scores, rtol=1e-4, atol=1e-5)


def test_teacher(rng: np.random.Generator) -> None:
    """Targets stand in for the labels of the training data; scores come near to them."""
    x, y = digits(300)
    q = teacher(y, 10, rng)
    booster = train(CrossEntropyObjective(targets=q), x, y, 25, num_class=10)
    scores = booster.predict(x)
    assert float(st.kl_divergence(scores, q)) < 0.3 * float(st.kl_divergence(0 * scores, q))


def test_cross_validation() -> None:
    """The native cross-validation takes objective and metric."""
    x, y = digits(300)
    params = {**SMALL, "objective": CrossEntropyObjective(label_smoothing=0.1), "num_class": 10}
    found = lightgbm.cv(
        params, lightgbm.Dataset(x, label=y), 3, nfold=2, feval=CrossEntropyMetric()
    )
    assert np.log(10) > found["valid cross_entropy-mean"][0] > found["valid cross_entropy-mean"][2]


@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
def test_classifier() -> None:
    """The scikit-learn wrapper takes objective and metric, stops early by it, and is cloned in
    cross-validation; its predictions are scores.
    """
    x, y = digits(500)
    model = lightgbm.LGBMClassifier(
        objective=CrossEntropyObjective(label_smoothing=0.1),
        metric="None",
        n_estimators=60,
        num_leaves=7,
        learning_rate=0.5,
        n_jobs=1,
        verbosity=-1,
    )
    model.fit(
        x[:350],
        y[:350],
        sample_weight=1.0 + y[:350] % 2,
        eval_X=x[350:],
        eval_y=y[350:],
        eval_metric=CrossEntropyMetric(),
        callbacks=[lightgbm.early_stopping(2, verbose=False)],
    )
    history = model.evals_result_["valid_0"]
    assert list(history) == ["cross_entropy"]
    assert model.best_iteration_ == 1 + int(np.argmin(history["cross_entropy"])) < 60
    scores = model.predict(x[350:], raw_score=True)
    assert min(history["cross_entropy"]) == pytest.approx(float(st.cross_entropy(scores, y[350:])))
    assert np.mean(scores.argmax(axis=1) == y[350:]) > 0.6

    def likelihood(fitted: Any, rows: np.ndarray, labels: np.ndarray) -> float:
        return -float(st.cross_entropy(fitted.predict(rows, raw_score=True), labels))

    model.set_params(n_estimators=2)
    found = cross_val_score(model, x, y, cv=2, scoring=likelihood, error_score="raise")
    assert np.all(found > -np.log(10))
