"""Training with XGBoost: as its own objectives without smoothing, bounded scores with it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

import softtargets as st
from softtargets.xgboost import (
    BinaryCrossEntropyMetric,
    BinaryCrossEntropyObjective,
    CrossEntropyMetric,
    CrossEntropyObjective,
)
from tests.frameworks.boosting import digits, gap, teacher, tumours

xgboost = pytest.importorskip("xgboost")

SMALL = {"max_depth": 3, "eta": 0.3, "nthread": 1, "verbosity": 0}


def trees(booster: Any) -> list[Any]:
    """Return the features and the thresholds of all trees, without the values of the leaves."""

    def shape(node: dict[str, Any]) -> Any:
        if "leaf" in node:
            return "leaf"
        below = [shape(child) for child in node["children"]]
        return node["split"], node["split_condition"], below

    return [shape(json.loads(tree)) for tree in booster.get_dump(dump_format="json")]


@pytest.mark.parametrize("weighted", [False, True])
def test_same_trees_as_multiclass(weighted: bool) -> None:
    """Without smoothing the trees and the probabilities are those of `multi:softprob`."""
    x, y = digits()
    weight = 1.0 + y % 3 if weighted else None
    data = xgboost.DMatrix(x, label=y, weight=weight)
    params = {**SMALL, "objective": "multi:softprob", "num_class": 10, "base_score": 0.5}
    own = xgboost.train(params, data, 6)
    mine = xgboost.train(params, data, 6, obj=CrossEntropyObjective())
    assert trees(mine) == trees(own)
    np.testing.assert_allclose(mine.predict(data), own.predict(data), rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("objective", [CrossEntropyObjective, BinaryCrossEntropyObjective])
def test_same_trees_as_logistic(objective: Any) -> None:
    """Without smoothing the trees and the probabilities are those of `binary:logistic`, and a
    weight of class 1 is `scale_pos_weight`.
    """
    x, y = tumours()
    data = xgboost.DMatrix(x, label=y)
    params = {**SMALL, "objective": "binary:logistic", "base_score": 0.5, "scale_pos_weight": 2.0}
    own = xgboost.train(params, data, 8)
    if objective is CrossEntropyObjective:
        heavier = objective(class_weight=np.array([1.0, 2.0]))
    else:
        heavier = objective(pos_weight=2.0)
    mine = xgboost.train(params, data, 8, obj=heavier)
    assert trees(mine) == trees(own)
    np.testing.assert_allclose(mine.predict(data), own.predict(data), rtol=2e-4, atol=1e-6)


def test_gap_stays_finite() -> None:
    """More rounds do not drive the scores of separable classes beyond the optimal gap of the
    smoothing; without smoothing they pass it.
    """
    x = np.repeat(np.eye(4), 10, axis=0)
    y = np.repeat(np.arange(4), 10)
    data = xgboost.DMatrix(x, label=y)
    params = {**SMALL, "num_class": 4, "lambda": 0.0, "min_child_weight": 0.0, "eta": 0.5}
    limit = float(st.analysis.optimal_logit_gap(0.1, 4))
    gaps = {}
    for rounds in (10, 80):
        for amount in (0.0, 0.1):
            objective = CrossEntropyObjective(label_smoothing=amount)
            booster = xgboost.train(params, data, rounds, obj=objective)
            gaps[rounds, amount] = gap(booster.predict(data, output_margin=True), y)
    assert gaps[80, 0.1] == pytest.approx(limit, rel=1e-3)
    assert gaps[10, 0.1] < gaps[80, 0.1] < limit + 1e-3
    assert gaps[80, 0.0] > limit + 1


def test_classifier() -> None:
    """The scikit-learn wrapper takes objective and metric, stops early by it, clones them, and
    gives probabilities.
    """
    x, y = digits(500)
    model = xgboost.XGBClassifier(
        objective=CrossEntropyObjective(label_smoothing=0.1),
        eval_metric=CrossEntropyMetric(),
        n_estimators=60,
        early_stopping_rounds=2,
        max_depth=3,
        learning_rate=0.6,
        n_jobs=1,
    )
    model.fit(x[:350], y[:350], eval_set=[(x[350:], y[350:])], verbose=False)
    history = model.evals_result()["validation_0"]["cross_entropy"]
    assert model.best_iteration == int(np.argmin(history)) < 59
    scores = model.predict(x[350:], output_margin=True)
    assert history[model.best_iteration] == pytest.approx(
        float(st.cross_entropy(scores, y[350:])), abs=2e-6
    )
    assert np.mean(model.predict(x[350:]) == y[350:]) > 0.6
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1.0, rtol=1e-5)
    search = GridSearchCV(
        xgboost.XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1),
        {"objective": [CrossEntropyObjective(label_smoothing=e) for e in (0.0, 0.1)]},
        cv=2,
        scoring="neg_log_loss",
        error_score="raise",
    )
    search.fit(x, y, sample_weight=1.0 + y % 2)
    assert len(set(search.cv_results_["mean_test_score"])) == 2
    model.set_params(objective=CrossEntropyObjective(targets=np.full((500, 10), 0.1)))
    with pytest.raises(ValueError, match=r"^targets must have shape \(350,\) for labels"):
        model.fit(x[:350], y[:350], eval_set=[(x, y)])


def test_teacher(rng: np.random.Generator) -> None:
    """A data set may have a distribution for each row, also in cross-validation and in the
    regressor of scikit-learn; scores come near to it.
    """
    x, y = digits(300)
    q = teacher(y, 10, rng)
    data = xgboost.DMatrix(x, label=q)
    params = {**SMALL, "disable_default_eval_metric": True, "max_depth": 6, "lambda": 0.1}
    booster = xgboost.train(params, data, 25, obj=CrossEntropyObjective())
    scores = booster.predict(data, output_margin=True)
    assert scores.shape == q.shape
    assert float(st.kl_divergence(scores, q)) < 0.3 * float(st.kl_divergence(0 * scores, q))
    found = xgboost.cv(
        params,
        data,
        num_boost_round=2,
        nfold=2,
        obj=CrossEntropyObjective(),
        custom_metric=CrossEntropyMetric(),
        as_pandas=False,
    )
    history = found["test-cross_entropy-mean"]
    assert history[1] < history[0] < np.log(10)
    model = xgboost.XGBRegressor(objective=CrossEntropyObjective(), n_estimators=25, n_jobs=1)
    model.set_params(max_depth=6, learning_rate=0.3, reg_lambda=0.1).fit(x, q)
    np.testing.assert_allclose(model.predict(x, output_margin=True), scores, rtol=1e-4, atol=1e-5)


def test_start() -> None:
    """The base score is where scores begin, for both: the built-in objective estimates it, and
    with the same one the trees are the same.
    """
    x, y = tumours()
    data = xgboost.DMatrix(x, label=y)
    params = {**SMALL, "objective": "binary:logistic"}
    own = xgboost.train(params, data, 3)
    mine = xgboost.train(
        {**params, "base_score": float(np.mean(y))}, data, 3, obj=BinaryCrossEntropyObjective()
    )
    assert trees(mine) == trees(own)
    np.testing.assert_allclose(mine.predict(data), own.predict(data), rtol=2e-4, atol=1e-6)
    x, y = digits()
    y = np.minimum(y, 3)
    data = xgboost.DMatrix(x, label=y)
    params = {**SMALL, "objective": "multi:softprob", "num_class": 4}
    own = xgboost.train(params, data, 3)
    start = np.log(np.bincount(y) / len(y)).tolist()
    mine = xgboost.train({**params, "base_score": start}, data, 3, obj=CrossEntropyObjective())
    assert trees(mine) == trees(own)
    np.testing.assert_allclose(mine.predict(data), own.predict(data), rtol=2e-4, atol=1e-6)


def test_several_labels_per_row(rng: np.random.Generator) -> None:
    """Each label of a row is a decision of its own; the metric of the wrapper goes down."""
    x = rng.standard_normal((200, 3))
    y = (x[:, :2] > 0).astype(int)
    model = xgboost.XGBClassifier(
        objective=BinaryCrossEntropyObjective(label_smoothing=0.1),
        eval_metric=BinaryCrossEntropyMetric(label_smoothing=0.1),
        n_estimators=5,
        n_jobs=1,
    )
    model.fit(x, y, eval_set=[(x, y)], verbose=False)
    history = model.evals_result()["validation_0"]["binary_cross_entropy"]
    assert np.all(np.diff(history) < 0)
    assert np.mean(model.predict(x) == y) > 0.95
