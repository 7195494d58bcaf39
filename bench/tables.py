"""Results as Markdown."""

from collections.abc import Iterable, Sequence

from bench.goals import Goal, Results, measured
from bench.records import Record

#: The order of columns and of numbers in a cell.
ALLOCATORS = ("default", "kept")


def number(value: float) -> str:
    """Return three digits of a number, without an exponent."""
    if value != value:
        return "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table with numbers to the right of their columns."""
    lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def provenance(records: Sequence[Record]) -> list[str]:
    """Say where, when and with what it was measured."""

    def distinct(values: Iterable[str]) -> str:
        return ", ".join(dict.fromkeys(value for value in values if value))

    versions = sorted({part for row in records for part in row.versions.split("; ") if part})
    where = distinct(row.device_name for row in records if row.device == "cuda")
    place = distinct(row.processor for row in records)
    threads = distinct(str(row.threads) for row in records)
    return [
        f"Measured on {distinct(row.date for row in records)} "
        f"on {f'{where} with ' if where else ''}{place}; "
        f"threads: {threads}; Python {distinct(row.python for row in records)}; "
        f"commit {distinct(row.commit for row in records)}.",
        f"Versions: {', '.join(versions)}.",
    ]


def goal_rows(goals: Iterable[Goal], results: Results) -> list[list[str]]:
    """Return a row per goal and shape that was measured, or one that says it was not."""
    rows = []
    for goal in goals:
        found = 0
        for shape in goal.shapes:
            values = {name: results.value(goal, shape, name) for name in ALLOCATORS}
            cells = [
                "-" if value is None else f"{number(value)}, {goal.verdict(value, name)}"
                for name, value in values.items()
            ]
            if cells != ["-", "-"]:
                found += 1
                rows.append([goal.text, shape, bounds(goal), *cells])
        if not found:
            rows.append([goal.text, "not measured", bounds(goal), "-", "-"])
    return rows


def bounds(goal: Goal) -> str:
    """Return must and target of a goal, for both allocators if they differ."""
    sign = "≥" if goal.at_least else "≤"
    must, target = goal.bounds
    text = f"{sign} {must:g}; {target:g}"
    if goal.kept is not None:
        text += f" (kept: {goal.kept[0]:g}; {goal.kept[1]:g})"
    return text


def goals_table(goals: Iterable[Goal], records: Sequence[Record]) -> list[str]:
    """Return the table of goals."""
    rows = goal_rows(goals, Results(records))
    return table(("quantity", "shape", "must; target", "default", "kept"), rows)


def label(row: Record, several_targets: bool) -> str:
    """Return what is measured in a line of a table."""
    parts = [row.title]
    if several_targets and row.kind != "limit":
        parts.append(row.targets.replace("_", " "))
    if row.option:
        parts.append(row.option)
    return ", ".join(parts)


def column(row: Record, several_dtypes: bool) -> str:
    """Return the case of a column."""
    shape = row.shape.replace("->", "→").replace("x", "\N{MULTIPLICATION SIGN}")
    return f"{shape} {row.dtype}" if several_dtypes else shape


def group_table(records: Sequence[Record], group: str, measure: str) -> list[str]:
    """Return contestants by cases, with a number for each allocator."""
    rows = [row for row in records if row.group == group and row.status == "ok"]
    if not rows:
        return ["Not measured."]
    targets = len({row.targets for row in rows if row.kind != "limit"}) > 1
    dtypes = len({row.dtype for row in rows}) > 1
    columns = list(dict.fromkeys(column(row, dtypes) for row in rows))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        cell = cells.setdefault((label(row, targets), column(row, dtypes)), {})
        cell[row.allocator] = number(measured(row, measure))
    lines = dict.fromkeys(label(row, targets) for row in rows)
    body = [
        [name, *(join(cells.get((name, column_), {})) for column_ in columns)] for name in lines
    ]
    return table(("", *columns), body)


def join(cell: dict[str, str]) -> str:
    """Return the numbers of a cell."""
    return " / ".join(cell[name] for name in ALLOCATORS if name in cell) or "-"


def option_table(records: Sequence[Record]) -> list[str]:
    """Return what each option costs, with bounds from the quartiles of both sides."""
    rows = [row for row in records if row.group == "options" and row.status == "ok"]
    plain = {
        (row.shape, row.allocator, row.contestant): row
        for row in rows
        if row.targets == "smoothed" and not row.option and not row.contestant.endswith("_out")
    }
    body = []
    for row in rows:
        base = plain.get((row.shape, row.allocator, row.contestant.removesuffix("_out")))
        if base is None or base is row:
            continue
        low = row.time_q25_ms / base.time_q75_ms
        high = row.time_q75_ms / base.time_q25_ms
        ratio = row.time_median_ms / base.time_median_ms
        name = label(row, row.targets != "smoothed")
        shape = column(row, False)
        body.append([name, shape, row.allocator, number(ratio), f"{number(low)} to {number(high)}"])
    head = ("", "shape", "allocator", "time / time without", "quartiles")
    return table(head, body) if body else ["Not measured."]


def missing_table(records: Sequence[Record]) -> list[str]:
    """Return what was not measured, and why."""
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for row in records:
        if row.status != "ok":
            cases = reasons.setdefault((row.title, row.status, row.note.replace("|", "/")), [])
            case = f"{column(row, True)}, {row.targets.replace('_', ' ')}"
            if case not in cases:
                cases.append(case)
    body = []
    for (title, status, note), cases in reasons.items():
        listed = "; ".join(cases[:3]) + (f"; and {len(cases) - 3} more" if len(cases) > 3 else "")
        body.append([title, status, note, listed])
    return table(("", "status", "why", "cases"), body) if body else []
