"""The messages of closed forms, reports and geometry. Tested in test_messages.py."""

from collections.abc import Callable
from typing import Any

import numpy as np

from softtargets import analysis

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
