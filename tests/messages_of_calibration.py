"""More cases of tests/test_messages.py: calibration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets._array import read

cal = st.calibration
X = np.array([[0.5, -1.25, 2.0], [3.0, 1.5, -2.5]])
P = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
Y, Q = np.array([2, 0]), np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
NAN = float("nan")
TOP_K = st.Targets.from_top_k(
    np.array([[2, 1], [0, 1]]), np.array([[0.5, 0.25]] * 2), 3, tail="bucket"
)
FIT = cal.VectorFit(np.ones(3), np.zeros(3), 1.0, 1.0, True, 1)


def error(**words: Any) -> Callable[[], object]:
    """Return a call of the calibration error, of X and Y unless ``words`` say otherwise."""
    given = {"scores": X, "targets": Y, "from_logits": True} | words
    return lambda: cal.calibration_error(**given)


def bins(**words: Any) -> Any:
    """Return bins that hold something."""
    found = cal.CalibrationBins(**({"from_logits": True, "num_bins": 4} | words))
    found.update(X, Y)
    return found


def loaded(**state: Any) -> Callable[[], object]:
    """Return a call that takes over a state that is another one in one entry."""
    whole = bins().state_dict() | state
    return lambda: bins().load_state_dict({k: v for k, v in whole.items() if v is not None})


def pretend(name: str, module: Any, answer: bool, act: Callable[[], object]) -> Any:
    """Return a call in which arrays are taken for those of another kind."""

    def call() -> object:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, name, lambda array: answer)
            return act()

    return call


def other_classes() -> object:
    found = bins(scope="classwise")
    return found.update(X[:, :2], Y % 2)


SHAPES = "[scores: (2, 3), axis: -1]"
ROWS = " [the shape of scores without its class axis]"
TYPES: list[tuple[str, Callable[[], object]]] = [
    ("scores must be an array, got list", error(scores=X.tolist())),
    ("scores must have a real floating-point dtype, got int64", error(scores=X.astype(int))),
    ("targets must be an array, got list", error(targets=[2, 0])),
    ("targets must be integer labels or real floating distributions, got bool",
     error(targets=Y > 1)),
    ("from_logits must be True or False, got int", error(from_logits=1)),
    ("from_logits must be True or False, got NoneType",
     lambda: cal.CalibrationBins(from_logits=None)),
    ("from_logits must be True or False, got str",
     lambda: cal.brier_score(P, Y, from_logits="no")),
    ("num_bins must be an int, got float", error(num_bins=15.0)),
    ("num_bins must be an int, got str", error(num_bins="auto")),
    ("where must have dtype bool, got int64", error(where=Y)),
    ("ignore_index must be an int, got float", error(ignore_index=-1.0)),
    ("other must be CalibrationBins, got dict", lambda: bins().merge({})),
    ("other must be a CalibrationSummary, got CalibrationBins",
     lambda: cal.CalibrationSummary(from_logits=True).merge(bins())),
    ("scores must be sorted for this, which lazy arrays cannot be, got ndarray",
     pretend("is_dask", read, True, error(binning="mass"))),
    ("logits must have values to read, outside of compiled code, got ndarray",
     pretend("is_eager", read, False, lambda: cal.fit_temperature(X, Y))),
    ("logits must be an array, got list", lambda: cal.fit_temperature(X.tolist(), Y)),
    ("temperature must be a number or an array, got list",
     lambda: cal.apply_temperature(X, [2.0])),
    ("logits must have a real floating-point dtype, got int64",
     lambda: cal.apply_temperature(Y, 2.0)),
    ("fit must be a VectorFit, got float", lambda: cal.apply_vector_scaling(X, 2.0)),
    ("penalty must be a number, got NoneType",
     lambda: cal.fit_vector_scaling(X, Y, penalty=None)),
    ("max_iterations must be an int, got float",
     lambda: cal.fit_vector_scaling(X, Y, max_iterations=1e3)),
    ("probabilities must be an array, got list", lambda: cal.unsmooth(P.tolist(), 0.1)),
    ("label_smoothing must be a number, got list", lambda: cal.unsmooth(P, [0.1])),
    ("prior must have a real floating-point dtype, got int64",
     lambda: cal.unsmooth(P, 0.1, prior=np.array([1, 0, 0]))),
]  # fmt: skip
VALUES: list[tuple[str, Callable[[], object]]] = [
    (f"targets must have shape (2,) for labels or (2, 3) for distributions, got (3,) {SHAPES}",
     error(targets=np.array([0, 1, 2]))),
    (f"targets must have shape (2,) for labels or (2, 3) for distributions, got (3,) {SHAPES}",
     error(targets=np.array([0.0, 1.0, 0.0]))),
    (f"targets must have shape (2, 3), got (2, 4) {SHAPES}",
     error(targets=st.Targets.from_labels(Y, 4))),
    ("targets must have one mass per class, got top-k targets with a tail bucket",
     error(targets=TOP_K)),
    ("targets must be in [0, 3) or ignore_index -100, got 5 at position (1,)",
     error(targets=np.array([2, 5]))),
    ("rows of targets must sum to 1, got 2.0 at position (0,)", error(targets=2 * Q)),
    ("rows of scores must sum to 1, got 2.0 at position (0,)",
     error(scores=2 * P, from_logits=False)),
    ("scores must be finite and at least 0, got -1.25 at position (0, 1)",
     error(from_logits=False)),
    ("scores must be finite and at least 0, got nan at position (0, 0)",
     error(scores=P * [NAN, 1, 1], from_logits=False)),
    ("scores must be in [0, 1], got 1.5 at position (1,)",
     error(scores=np.array([0.5, 1.5]), from_logits=False, scope="positive")),
    (f"where must have shape (2,), got (2, 1){ROWS}", error(where=np.ones((2, 1), bool))),
    ("axis must be in [-2, 2), got 2", error(axis=2)),
    ("binning must be one of 'width', 'mass', got 'equal'", error(binning="equal")),
    ("scope must be one of 'top', 'classwise', 'positive', got 'all'", error(scope="all")),
    ("scope must be one of 'top', 'classwise', 'positive', got 'marginal'",
     lambda: cal.ks_calibration_error(X, Y, from_logits=True, scope="marginal")),
    ("norm must be one of 1, 2, 'max', got 3", error(norm=3)),
    ("norm must be one of 1, 2, 'max', got True", error(norm=True)),
    ("norm must be one of 1, 2, 'max', got 'l1'", error(norm="l1")),
    ("norm must be 1 or 2 for a noise floor, got 'max'", lambda: bins().noise_floor(norm="max")),
    ("debias must be False for norm 'max', got True", error(norm="max", debias=True)),
    ("num_bins must be at least 1, got 0", error(num_bins=0)),
    ("num_bins must be an int for scope 'classwise', got 'sweep'",
     error(num_bins="sweep", scope="classwise")),
    ("num_bins must divide 4, got 3", lambda: bins().coarsen(3)),
    ("bins must hold something to measure, got no update",
     lambda: cal.CalibrationBins(from_logits=True).error()),
    ("bins must hold something to measure, got no update",
     lambda: cal.CalibrationSummary(from_logits=True).report()),
    ("scores must have 3 classes, as before, got 2", other_classes),
    ("other must have 4 bins of scope 'top', got 5 of scope 'top'",
     lambda: bins().merge(bins(num_bins=5))),
    ("other must have 4 bins of scope 'top', got 4 of scope 'classwise'",
     lambda: bins().merge(bins(scope="classwise"))),
    ("state must have the names counts, sums and bad, got ['counts', 'sums']", loaded(bad=None)),
    ("counts must have a multiple of 4 entries, got (5,)", loaded(counts=np.zeros(5, int))),
    ("counts must have a multiple of 4 entries, got (2, 2)",
     loaded(counts=np.zeros((2, 2), int))),
    ("sums must have shape (4, 3, 4), got (4, 4)", loaded(sums=np.zeros((4, 4), int))),
    ("level must be a number in (0, 1), got 95", lambda: bins().reliability(level=95)),
    ("reduction must be one of 'none', 'sum', 'mean', got 'total'",
     lambda: cal.brier_score(P, Y, from_logits=False, reduction="total")),
    ("bounds must be two numbers, 0 < low < high < inf, got (2.0, 1.0)",
     lambda: cal.fit_temperature(X, Y, bounds=(2.0, 1.0))),
    ("bounds must be two numbers, 0 < low < high < inf, got 3.0",
     lambda: cal.fit_temperature(X, Y, bounds=3.0)),
    ("logits must give every row that counts a finite loss, got inf",
     lambda: cal.fit_temperature(np.array([[0.0, -np.inf]]), np.array([1]))),
    ("logits must give every row that counts a finite loss, got nan",
     lambda: cal.fit_temperature(X * NAN, Y)),
    ("targets must have rows that count, got none", lambda: cal.fit_temperature(X, Y * 0 - 100)),
    ("temperature must be finite and above 0, got 0.0",
     lambda: cal.apply_temperature(X, 0.0)),
    ("penalty must be finite and above 0, got 0",
     lambda: cal.fit_vector_scaling(X, Y, penalty=0)),
    ("weight of fit must have shape (2,), got (3,)",
     lambda: cal.apply_vector_scaling(X[:, :2], FIT)),
    ("label_smoothing must be in [0, 1], got 1.5", lambda: cal.unsmooth(P, 1.5)),
    ("label_smoothing must leave some mass to the labels, got 1", lambda: cal.unsmooth(P, 1)),
    ("prior must be None with spread='others', got an array",
     lambda: cal.unsmooth(P, 0.1, prior=P[0], spread="others")),
    ("prior must have shape (3,), got (2,)", lambda: cal.unsmooth(P, 0.1, prior=P[0, :2])),
    ("prior must sum to 1, got 0.75 at position ()",
     lambda: cal.unsmooth(P, 0.1, prior=P[0] * [0.5, 1, 1])),
    ("rows of probabilities must sum to 1, got 2.0 at position (0,)",
     lambda: cal.unsmooth(2 * P, 0.1)),
]  # fmt: skip
