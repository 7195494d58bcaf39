"""The messages of closed forms, reports and geometry. Tested in test_messages.py."""

from collections.abc import Callable
from typing import Any

import numpy as np

from softtargets import analysis, plots

LABELS = np.array([2, 0, 1])
E = np.array([0.1, 0.2])
gap, minimum = analysis.optimal_logit_gap, analysis.minimum_loss
noise, accuracy = analysis.smoothing_for_noise, analysis.smoothing_for_accuracy
temperature, decay = analysis.temperature_for_smoothing, analysis.gap_under_weight_decay
choose, X = analysis.choose_label_smoothing, np.eye(3)
SCORE = "score must be None unless logits are a mapping of candidates, got a function"
LIST = "be an array, or a list or tuple of some"
ROWS = " [the shape of logits without its class axis]"


def score(x: Any, y: Any) -> Any:
    return np.full(3, np.nan)


COLLAPSE, PROJECT = analysis.neural_collapse, analysis.penultimate_projection
TIGHT, STABLE = analysis.projection_tightness, analysis.stability
INFO, ERASE, APART = analysis.mutual_information, analysis.erasure_index, analysis.class_separation
LINE = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
ON_A_LINE = "weight must have rows that are not on one line for any three of the classes"
THREE = "have three different ints in [0, 3)"
ZERO = {"examples_per_class": 3, "weight_decay": 0.0, "feature_decay": 0.0}

TYPES: list[tuple[str, Callable[[], object]]] = [
    ("label_smoothing must be a number or an array, got '0.1'", lambda: gap("0.1", 3)),
    ("label_smoothing must have a real floating-point dtype, got int64", lambda: gap(LABELS, 3)),
    ("label_smoothing must be a number, got str", lambda: temperature("0.1", 3, 0.9)),
    ("label_smoothing must be a number, got ndarray", lambda: decay(E, 3, **ZERO)),
    ("num_classes must be an int, got float", lambda: minimum(0.1, 3.0)),
    ("prior must be an array, got list", lambda: gap(0.1, 3, prior=[0.5, 0.25, 0.25])),
    ("prior must have a real floating-point dtype, got int64",
     lambda: minimum(0.1, 3, prior=LABELS)),
    ("rate must be a number, got ndarray", lambda: noise(E, 3)),
    ("accuracy must be a number, got NoneType", lambda: accuracy(None, 3)),
    ("gap must be a number, got str", lambda: analysis.confidence_penalty_for_gap("1", 3)),
    ("weight_decay must be a number, got bool",
     lambda: decay(0.1, 3, **(ZERO | {"weight_decay": True}))),
    ("num_classes must be given for integer labels, got None",
     lambda: analysis.optimal_logits(LABELS, 0.1)),
    ("logits must be an array, got list", lambda: choose([X], [LABELS])),
    ("labels must be an array, got list", lambda: choose(X, [2, 0, 1])),
    ("labels must have an integer dtype, got float64", lambda: choose(X, LABELS * 1.0)),
    ("candidates of label_smoothing must be a number, got str", lambda: choose({"0": X}, LABELS)),
    (f"labels must {LIST}, got int", lambda: choose({0.0: X}, 1)),
    (f"logits of a candidate must {LIST}, got []", lambda: choose({0.0: []}, LABELS)),
    ("features must be an array, got list", lambda: COLLAPSE([[1.0]], LABELS, 3)),
    ("features must have a real floating-point dtype, got int64",
     lambda: APART(X.astype(int), LABELS, 3)),
    ("weight must have a real floating-point dtype, got int64",
     lambda: COLLAPSE(X, LABELS, 3, weight=X.astype(int))),
    ("bias must have a real floating-point dtype, got int64",
     lambda: COLLAPSE(X, LABELS, 3, bias=LABELS)),
    ("cutoff must be a number, got str", lambda: COLLAPSE(X, LABELS, 3, cutoff="0")),
    ("ignore_index must be an int, got float", lambda: ERASE(X, LABELS, ignore_index=-1.0)),
    ("from_logits must be a bool, got int", lambda: STABLE(X, LABELS, from_logits=1)),
    ("samples must be an array, got float", lambda: INFO(1.0)),
    ("weight must be an array, got list", lambda: PROJECT(X, [[1.0]], (0, 1, 2))),
    ("max_triples must be an int, got float", lambda: TIGHT(X, LABELS, X, max_triples=2.0)),
    ("rng must be a seed, a numpy.random.Generator or None, got str",
     lambda: TIGHT(np.eye(4), np.arange(4), np.eye(4), max_triples=2, rng="0")),
    ("confidence must be numbers on the host, got list",
     lambda: plots.reliability(["high"], [0.5], [1])),
    ("interval must be a pair of arrays, got ndarray",
     lambda: plots.reliability(E, E, E, interval=E)),
    ("score must be an array, got int", lambda: choose({0: X}, LABELS, score=lambda x, y: 1)),
]  # fmt: skip
VALUES: list[tuple[str, Callable[[], object]]] = [
    ("label_smoothing must be in [0, 1], got -0.1", lambda: gap(-0.1, 3)),
    ("label_smoothing must be in [0, 1], got 2.0 at position (1,)", lambda: minimum(E * 10, 3)),
    ("label_smoothing must have shape () or (3,), got (2,)",
     lambda: gap(E, 3, prior=np.full(3, 1 / 3))),
    ("num_classes must be at least 2, got 1", lambda: gap(0.1, 1)),
    ("spread must be one of 'all', 'others', got 'both'", lambda: minimum(0.1, 3, spread="both")),
    ("spread must be one of 'all', 'others', got None", lambda: gap(0.1, 3, spread=None)),
    ("prior must have shape (4,) or (4, 4), got (3,)",
     lambda: gap(0.1, 4, prior=np.full(3, 1 / 3))),
    ("rate must be in [0, 0.75], got 0.8", lambda: noise(0.8, 4)),
    ("rate must be in [0, 1], got nan", lambda: noise(float("nan"), 4, resampled=True)),
    ("spread must be one of 'all', 'others', got 'both'", lambda: accuracy(0.9, 4, spread="both")),
    ("accuracy must be in [0.25, 1], got 0.2", lambda: accuracy(0.2, 4)),
    ("accuracy must be above 0.25 and below 1, got 1.0", lambda: temperature(0.1, 4, 1.0)),
    ("label_smoothing must leave the label more mass than another class, got 0.8 "
     "[spread: 'others']", lambda: temperature(0.8, 4, 0.9, spread="others")),
    ("gap must be finite and above 0, got 0", lambda: analysis.confidence_penalty_for_gap(0, 3)),
    ("confidence_penalty must be finite and at least 0, got -1",
     lambda: analysis.gap_for_confidence_penalty(-1, 3)),
    ("features must have shape (rows, features), got (3,)", lambda: COLLAPSE(X[0], LABELS, 3)),
    ("labels must have shape (3,), got (2,) [the rows of features]",
     lambda: COLLAPSE(X, LABELS[:2], 3)),
    ("labels must be in [0, 2) or ignore_index -100, got 2 at position (0,)",
     lambda: APART(X, LABELS, 2)),
    ("labels of each class must be there at least once, got 0.0 at position (3,)",
     lambda: COLLAPSE(X, LABELS, 4)),
    ("rows of features must not be 0, got 0.0 at position (0, 0)", lambda: APART(LINE, LABELS, 3)),
    ("num_classes must be at least 2, got 1", lambda: COLLAPSE(X, LABELS * 0, 1)),
    ("weight must have shape (3, 3), got (2, 3)", lambda: COLLAPSE(X, LABELS, 3, weight=X[:2])),
    ("bias must have shape (3,), got (2,)", lambda: COLLAPSE(X, LABELS, 3, bias=E)),
    ("cutoff must be finite and at least 0, got -1", lambda: COLLAPSE(X, LABELS, 3, cutoff=-1)),
    ("scores must have shape (rows, classes), got (3,)",
     lambda: STABLE(X[0], LABELS, from_logits=True)),
    ("rows of scores must sum to 1, got 2.0 at position (0,)",
     lambda: STABLE(2 * X, LABELS, from_logits=False)),
    ("logits must have at least three classes, got (3, 2)", lambda: ERASE(X[:, :2], LABELS)),
    ("samples must have shape (rows, augmentations), got (3,)", lambda: INFO(X[0])),
    ("samples must differ between augmentations, got 0.0 at position ()", lambda: INFO(0 * X)),
    ("weight must have shape (3, 3), got (3, 2)", lambda: PROJECT(X, X[:, :2], (0, 1, 2))),
    ("weight must have shape (rows, features), got (3,)", lambda: PROJECT(X, X[0], (0, 1, 2))),
    (f"classes must {THREE}, got (0, 1)", lambda: PROJECT(X, X, (0, 1))),
    (f"classes must {THREE}, got (0, 1, 3)", lambda: PROJECT(X, X, (0, 1, 3))),
    (f"triples must {THREE}, got (0, 1, 1)", lambda: TIGHT(X, LABELS, X, triples=[[0, 1, 1]])),
    (f"triples must {THREE}, got (0, 1, 2.0)", lambda: TIGHT(X, LABELS, X, triples=[(0, 1, 2.0)])),
    (f"triples must {THREE}, got none", lambda: TIGHT(X, LABELS, X, triples=[])),
    (f"{ON_A_LINE}, got 0.0 at position (0,)", lambda: PROJECT(X, LINE, (0, 1, 2))),
    ("accuracy must have shape (2,), got (3,)", lambda: plots.reliability(E, X[0], E)),
    ("counts must have a bin with predictions, got none", lambda: plots.reliability(E, E, 0 * E)),
    ("edges must have shape (3,), got (2,)", lambda: plots.reliability(E, E, E, edges=E)),
    ("gaps must have an entry, got an empty mapping", lambda: plots.logit_gap(E, {}, 3)),
    ("gaps must have shape (any, 2), got (3, 3)", lambda: plots.logit_gap(E, {0.1: X}, 3)),
    ("points must have shape (any, 2), got (3, 3)", lambda: plots.projection(X, LABELS)),
    ("names must be 3 names, one for each class, got 1",
     lambda: plots.projection(X[:, :2], LABELS, names=["a"])),
    ("rows must have shape (any, any), got (2,)", lambda: plots.targets(E)),
    ("names must be 3 names, one for each row, got 1", lambda: plots.targets(X, names=["a"])),
    ("classes must be 3 names, one for each class, got 1",
     lambda: plots.targets(X, classes=["a"])),
    ("floor must have shape (2,), got (3,)", lambda: plots.sweep(E, E, floor=X[0])),
    ("logits must have a class axis, got ()", lambda: choose(X[0, 0][()], LABELS)),
    (f"labels must have shape (3,), got (2,){ROWS}", lambda: choose(X, LABELS[:2])),
    ("labels must be in [0, 3) or ignore_index -100, got 3 at position (0,)",
     lambda: choose(X, LABELS + 1)),
    ("labels must keep a row, got none", lambda: choose(X, LABELS * 0 - 100)),
    ("labels must keep a row in each fold, got none", lambda: choose({0: X}, LABELS * 0 - 100)),
    (SCORE, lambda: choose(X, LABELS, score=score)),
    ("prior must be None beside candidates, got an array", lambda: choose({0: X}, LABELS, prior=E)),
    ("prior must have shape (3,), got (2,)", lambda: choose(X, LABELS, prior=E)),
    ("prior must sum to 1, got 3.0 at position ()",
     lambda: choose(X, LABELS, prior=np.ones(3))),
    ("logits must have a candidate, got an empty mapping", lambda: choose({}, LABELS)),
    ("candidates of label_smoothing must be in [0, 1], got 2", lambda: choose({2: X}, LABELS)),
    ("logits of a candidate must be as many as labels, 2, got 1",
     lambda: choose({0: [X]}, [LABELS, LABELS])),
    ("score must have shape (3,), got ()",
     lambda: choose({0: X}, LABELS, score=lambda x, y: np.asarray(1.0))),
    ("score must give finite losses, got others", lambda: choose({0: X}, LABELS, score=score)),
    ("examples_per_class must be at least 1, got 0",
     lambda: decay(0.1, 3, **(ZERO | {"examples_per_class": 0}))),
]  # fmt: skip
#: What warns.
WARNINGS = [lambda: gap(0.5, 3, prior=np.array([0.5, 0.5, 0.0]))]
