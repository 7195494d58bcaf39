"""Write golden.json: every golden case with its exact loss and gradient.

    python -m tests.golden.make_golden            writes golden.json beside this file
    python -m tests.golden.make_golden --check    compares instead, and fails on a difference

It takes about two minutes, needs mpmath, does not import the library, and always writes the same
bytes: cases come from literals, from integer recipes and from one seeded NumPy generator.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mpmath import mp  # type: ignore[import-untyped]

from tests.golden import combos, hostile, published, structures, traps
from tests.oracle import exact
from tests.oracle.case import Case, Dense, Labels, Mix, Smooth, Target, TopK, Weighted, encode
from tests.oracle.exact_targets import dense_rows

PATH = Path(__file__).with_name("golden.json")
DIGITS = 25
# Above this many entries only some of a gradient are stored.
LARGEST_GRADIENT = 40
_SMALLEST = mp.mpf(10) ** -330  # below every float64, subnormal or not


def all_cases() -> list[Case]:
    """Every golden case; names are unique."""
    cases = [
        case
        for family in (published, traps, structures, hostile, combos)
        for case in family.cases()
    ]
    names = [case.name for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"case names must be unique, got {sorted(twice)} more than once")
    return cases


def decimal(value: Any) -> str:
    """`value` as a decimal string with `DIGITS` digits, or inf, -inf or nan."""
    if mp.isnan(value):
        return "nan"
    if mp.isinf(value):
        return "inf" if value > 0 else "-inf"
    if abs(value) < _SMALLEST:
        return "0"
    return str(mp.nstr(value, DIGITS, min_fixed=-4, max_fixed=9))


def labels_of(target: Target, row: int) -> list[int]:
    """The classes that a target names in a row: where its gradient is most telling."""
    if isinstance(target, Labels):
        return [target.labels[row]]
    if isinstance(target, Mix):
        return labels_of(target.first, row) + labels_of(target.second, row)
    if isinstance(target, TopK):
        return list(target.labels[row])
    if isinstance(target, Smooth | Weighted):
        return labels_of(target.of, row)
    return list(range(len(target.q[row])))


def chosen_entries(case: Case) -> list[int]:
    """Flat indices of the stored gradient entries: all of a small one, else a few per row."""
    count = case.num_rows * case.num_classes
    if count <= LARGEST_GRADIENT:
        return list(range(count))
    chosen = set()
    matrix = case.matrix()
    for row in sorted({*range(min(case.num_rows, 3)), case.num_rows - 1}):
        named = [k for k in labels_of(case.target, row) if 0 <= k < case.num_classes]
        columns = {0, case.num_classes // 2, case.num_classes - 1, *named[:2]}
        columns |= {int(matrix[row].argmax()), int(matrix[row].argmin())}
        chosen |= {row * case.num_classes + k for k in columns}
    return sorted(chosen)


def entry(case: Case) -> dict[str, Any]:
    """One entry of golden.json."""
    result = exact.cross_entropy(case)
    flat = [value for row in result.gradient for value in row]
    chosen = chosen_entries(case)
    losses = result.loss if isinstance(result.loss, list) else [result.loss]
    made = {
        "case": encode(case),
        "loss": [decimal(value) for value in losses],
        "gradient": [decimal(flat[index]) for index in chosen],
    }
    if len(chosen) < len(flat):
        made["entries"] = chosen
    if len(flat) <= LARGEST_GRADIENT and _is_dense(case.target):
        rows = dense_rows(case.target, case.num_rows, case.num_classes)
        made["targets"] = [decimal(value) for row in rows for value in row]
    return made


def _is_dense(target: Target) -> bool:
    """Whether the target is more than a row that is stored already, and has a dense form."""
    if isinstance(target, TopK):
        return target.tail == "drop"
    return not isinstance(target, Labels | Dense)


def render(entries: list[dict[str, Any]]) -> str:
    """The text of golden.json, one case per line."""
    lines = [json.dumps(made, separators=(",", ":")) for made in entries]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main() -> None:
    """Write golden.json, or compare it with what would be written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    text = render([entry(case) for case in all_cases()])
    if not arguments.check:
        PATH.write_text(text, encoding="utf-8")
        print(f"{PATH.name}: {len(text)} bytes")
    elif PATH.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{PATH.name} differs from what the oracle gives")


if __name__ == "__main__":
    main()
