"""The largest errors of losses, gradients and targets, on every backend that is installed.

    python -m tests.accuracy                                     print the tables
    python -m tests.accuracy --write docs/_generated/accuracy.md    write them too

It exits with 1 if an error is over its budget, or if the targets differ in bits between backends.
SOFTTARGETS_BACKENDS selects backends, as for the tests. Errors are against the exact golden values,
in units of eps(dtype) times the conditioning of the value (`tests.oracle.budget`): one unit is one
ulp of the largest number that the formula cannot avoid rounding.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tests.backends import Variant, selected
from tests.golden import run
from tests.golden.builders import differing_builders
from tests.golden.load import Golden, goldens, yardstick
from tests.oracle import budget
from tests.oracle.plain import compute_dtype

Array = Any

DTYPES = ("float64", "float32", "float16", "bfloat16")
#: What autograd is measured on.
DIFFERENTIABLE = ("torch", "jax")


@dataclass(frozen=True)
class Errors:
    """The errors of one quantity of one case; `unit` is what one ulp is worth for each value."""

    golden: Golden
    values: Array
    error: Array
    plain_error: Array
    unit: Array
    allowed: Array


@dataclass(frozen=True)
class Row:
    """The largest errors of one function, backend and dtype, in units; `worst` names a case."""

    function: str
    backend: str
    dtype: str
    cases: int
    ours: float
    plain: float
    worst: str
    within: bool


def errors_of_loss(golden: Golden, values: Array) -> Errors:
    """The errors of a loss."""
    given, dtype = yardstick(golden), compute_dtype(golden.case.dtype)
    plain_error = golden.loss.error(given.loss)
    scale = np.where(np.isfinite(given.loss_scale), given.loss_scale, 0.0)
    allowed = budget.allowance(plain_error, scale, dtype, dtype, golden.loss.high)
    unit = budget.unit(scale, dtype, dtype, golden.loss.high)
    return Errors(golden, values, golden.loss.error(values), plain_error, unit, allowed)


def errors_of_gradient(golden: Golden, values: Array) -> Errors:
    """The errors of the stored entries of a gradient (rows x classes)."""
    given, dtype = yardstick(golden), golden.case.dtype
    exact, values = golden.gradient, values.ravel()[golden.entries]
    plain_error = exact.error(given.gradient)
    words = given.gradient_scale, compute_dtype(dtype), dtype, exact.high
    allowed, unit = budget.allowance(plain_error, *words), budget.unit(*words)
    return Errors(golden, values, exact.error(values), plain_error, unit, allowed)


def in_units(error: Array, unit: Array) -> Array:
    """`error / unit`; where nothing may be rounded, 0 for no error and inf for any."""
    safe = np.where(unit > 0, unit, 1.0)
    return np.where(unit > 0, error / safe, np.where(error == 0, 0.0, np.inf))


def summarise(function: str, backend: str, dtype: str, measured: list[Errors]) -> Row:
    """The row of the table for all cases of one dtype."""
    ours = [float(np.max(in_units(e.error, e.unit), initial=0.0)) for e in measured]
    plain = [float(np.max(in_units(e.plain_error, e.unit), initial=0.0)) for e in measured]
    worst = int(np.argmax(ours))
    within = all(bool(np.all(e.error <= e.allowed)) for e in measured)
    name = measured[worst].golden.name.rpartition("/")[0]
    return Row(function, backend, dtype, len(measured), ours[worst], max(plain), name, within)


Measured = dict[tuple[str, str], list[Errors]]


def measure(variant: Variant, cases: Iterable[Golden]) -> Measured:
    """The errors of all cases on one backend, by function and dtype."""
    made: Measured = {}
    with variant.active():
        for golden in cases:
            case = golden.case
            if case.dtype not in variant.dtypes:
                continue
            loss, gradient = run.loss_and_gradient(case, variant)
            made.setdefault(("loss", case.dtype), []).append(errors_of_loss(golden, loss))
            found = errors_of_gradient(golden, gradient)
            made.setdefault(("gradient", case.dtype), []).append(found)
            if variant.row in DIFFERENTIABLE and np.all(np.isfinite(golden.loss.high)):
                found = errors_of_gradient(golden, run.autograd(case, variant))
                made.setdefault(("autograd", case.dtype), []).append(found)
    return made


def rows_of(measured: dict[str, Measured]) -> list[Row]:
    """The table of errors, ordered by function, dtype and backend."""
    rows = [
        summarise(function, backend, dtype, errors)
        for backend, by_key in measured.items()
        for (function, dtype), errors in by_key.items()
    ]
    order = ("loss", "gradient", "autograd")
    return sorted(rows, key=lambda row: (order.index(row.function), DTYPES.index(row.dtype)))


@dataclass(frozen=True)
class Spread:
    """How far the backends are from each other, in units, for one function and dtype."""

    function: str
    dtype: str
    backends: int
    values: int
    identical: int
    largest: float
    worst: str


def spreads_of(measured: dict[str, Measured]) -> list[Spread]:
    """The largest differences between any two backends."""
    made = []
    for function in ("loss", "gradient"):
        for dtype in DTYPES:
            key = (function, dtype)
            lists = [by_key[key] for by_key in measured.values() if key in by_key]
            if len(lists) > 1:
                made.append(_spread(function, dtype, lists))
    return made


def _spread(function: str, dtype: str, lists: list[list[Errors]]) -> Spread:
    values = identical = 0
    largest, worst = -1.0, ""
    for same_case in zip(*lists, strict=True):
        stack = np.stack([found.values for found in same_case])
        equal = np.all((stack == stack[0]) | (np.isnan(stack) & np.isnan(stack[0])), axis=0)
        with np.errstate(invalid="ignore"):
            difference = np.where(equal, 0.0, np.max(stack, axis=0) - np.min(stack, axis=0))
        units = in_units(np.where(np.isnan(difference), np.inf, difference), same_case[0].unit)
        values, identical = values + equal.size, identical + int(np.sum(equal))
        if (found := float(np.max(units, initial=0.0))) > largest:
            largest, worst = found, same_case[0].golden.name.rpartition("/")[0]
    return Spread(function, dtype, len(lists), values, identical, largest, worst)


def markdown(measured: dict[str, Measured], differing: list[str], variants: list[Variant]) -> str:
    """The tables, with the versions they were measured with."""
    versions = {v.backend.title: v.backend.version() or "unknown" for v in variants}
    versions["NumPy"] = np.__version__
    listed = ", ".join(f"{title} {version}" for title, version in sorted(versions.items()))
    today = datetime.now(tz=UTC).date().isoformat()
    lines = [
        "<!-- Written by `python -m tests.accuracy --write`; not edited by hand. -->",
        "",
        f"Measured on {today} with {listed}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}.",
        "",
        "| function | dtype | backend | cases | largest error | plain formula | worst case |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    for row in rows_of(measured):
        over = "" if row.within else " (over the budget)"
        lines.append(
            f"| {row.function} | {row.dtype} | {row.backend} | {row.cases} | "
            f"{row.ours:.2f}{over} | {row.plain:.2f} | {row.worst} |"
        )
    lines += [
        "",
        "| function | dtype | backends | values | identical in bits "
        "| largest difference | worst case |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    lines += [
        f"| {s.function} | {s.dtype} | {s.backends} | {s.values} | {s.identical / s.values:.1%} | "
        f"{s.largest:.2f} | {s.worst} |"
        for s in spreads_of(measured)
    ]
    found = f"differ: {', '.join(differing)}" if differing else "identical in bits"
    lines += ["", f"Targets built in float32 and float64 on {len(variants)} backends: {found}.", ""]
    return "\n".join(lines)


def main(arguments: list[str] | None = None, show: Callable[[str], None] = print) -> int:
    """Measure, print, write on request; 1 if anything is over its budget."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the tables to a file")
    parser.add_argument("--every", type=int, default=1, help="measure every n-th case only")
    options = parser.parse_args(arguments)
    usable = [variant for variant in selected() if variant.why_unusable() is None]
    variants = [variant for variant in usable if not variant.read_only]
    chosen = goldens()[:: options.every]
    measured = {variant.name: measure(variant, chosen) for variant in variants}
    differing = differing_builders(variants)
    text = markdown(measured, differing, variants)
    show(text)
    if options.write is not None:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        options.write.write_text(text, encoding="utf-8")
    return int(bool(differing) or not all(row.within for row in rows_of(measured)))


if __name__ == "__main__":
    sys.exit(main())
