"""The golden values, and the check of a result against them within the error budget."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle import budget
from tests.oracle.budget import Exact
from tests.oracle.case import Case, case_from_json
from tests.oracle.plain import compute_dtype, cross_entropy

Array = Any

PATH = Path(__file__).with_name("golden.json")


@dataclass(frozen=True)
class Golden:
    """One case and what it should give; `entries` are the flat indices of the stored gradient."""

    case: Case
    loss: Exact
    gradient: Exact
    entries: Array
    targets: Exact | None

    @property
    def name(self) -> str:
        """The name of the case."""
        return self.case.name


@dataclass(frozen=True)
class Yardstick:
    """What the plain formula gives for a case, and the conditioning, of the stored entries."""

    loss: Array
    loss_scale: Array
    gradient: Array
    gradient_scale: Array


@cache
def goldens() -> tuple[Golden, ...]:
    """All golden values."""
    return tuple(map(_golden, json.loads(PATH.read_text(encoding="utf-8"))))


def _golden(entry: dict[str, Any]) -> Golden:
    case = case_from_json(entry["case"])
    entries = entry.get("entries", range(case.num_rows * case.num_classes))
    targets = Exact(entry["targets"]) if "targets" in entry else None
    return Golden(
        case, Exact(entry["loss"]), Exact(entry["gradient"]), np.asarray(entries), targets
    )


_yardsticks: dict[str, Yardstick] = {}


def yardstick(golden: Golden) -> Yardstick:
    """The plain formula and the conditioning of a case, computed once."""
    made = _yardsticks.get(golden.name)
    if made is None:
        plain, scale = cross_entropy(golden.case), budget.scale_of(golden.case)
        made = Yardstick(
            np.ravel(plain.loss).astype(np.float64),
            np.ravel(scale.loss),
            plain.gradient.ravel()[golden.entries].astype(np.float64),
            scale.gradient.ravel()[golden.entries],
        )
        _yardsticks[golden.name] = made
    return made


def check_loss(golden: Golden, loss: Array, what: str = "loss") -> None:
    """Fail if a loss is outside its budget."""
    given, dtype = yardstick(golden), compute_dtype(golden.case.dtype)
    plain_error = golden.loss.error(given.loss)
    allowed = budget.allowance(plain_error, given.loss_scale, dtype, dtype, golden.loss.high)
    budget.assert_within(what, loss, golden.loss, allowed)


def check_gradient(golden: Golden, gradient: Array, what: str = "gradient") -> None:
    """Fail if a stored entry of a gradient (rows x classes) is outside its budget."""
    given, case = yardstick(golden), golden.case
    plain_error = golden.gradient.error(given.gradient)
    allowed = budget.allowance(
        plain_error,
        given.gradient_scale,
        compute_dtype(case.dtype),
        case.dtype,
        golden.gradient.high,
    )
    budget.assert_within(what, gradient.ravel()[golden.entries], golden.gradient, allowed)
