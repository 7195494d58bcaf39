"""One row of results, and the file that they are kept in. Units are in the names."""

import csv
import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cases import Case, Entry


@dataclass(frozen=True)
class Record:
    """What was measured for one entry of one case, and where."""

    group: str
    function: str
    quantity: str
    contestant: str
    title: str
    kind: str
    targets: str
    option: str
    device: str
    dtype: str
    rows: int
    features: int
    classes: int
    bias: int
    threads: int
    allocator: str
    status: str
    note: str = ""
    rounds: int = 0
    time_median_ms: float = float("nan")
    time_q25_ms: float = float("nan")
    time_q75_ms: float = float("nan")
    #: At the peak of a call, above what was there before it, gradients included.
    peak_extra_MiB: float = float("nan")
    #: What the call returns.
    result_MiB: float = float("nan")
    #: Kernels that one call starts on a GPU.
    kernels: int = 0
    device_name: str = ""
    processor: str = ""
    python: str = ""
    versions: str = ""
    settings: str = ""
    commit: str = ""
    date: str = ""

    @property
    def shape(self) -> str:
        """Rows x classes, or rows x features -> classes."""
        return Case(self.rows, self.classes, self.features).shape

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells this row from all others of a file."""
        return dataclasses.astuple(self)[:16]


FIELDS = {field.name: field.type for field in dataclasses.fields(Record)}


def describe(case: Case, entry: Entry) -> dict[str, Any]:
    """Return the columns that follow from a case and an entry."""
    return {
        "function": case.function,
        "quantity": case.quantity,
        "contestant": entry.contestant,
        "targets": entry.targets,
        "option": entry.option,
        "device": case.device,
        "dtype": case.dtype,
        "rows": case.rows,
        "features": case.features,
        "classes": case.classes,
        "bias": int(case.bias),
    }


def to_text(record: Record) -> dict[str, str]:
    """Return a row as text; numbers with six digits, what was not measured empty."""
    row = {}
    for name, value in dataclasses.asdict(record).items():
        if isinstance(value, float):
            row[name] = "" if value != value else f"{value:.6g}"
        else:
            row[name] = str(value)
    return row


def from_text(row: dict[str, str]) -> Record:
    """Return the row that was written as text."""
    if missing := FIELDS.keys() - row.keys():
        raise ValueError(f"the file has no column {', '.join(sorted(missing))}")
    values: dict[str, Any] = {}
    for name, kind in FIELDS.items():
        text = row[name]
        if kind is float:
            values[name] = float(text or "nan")
        else:
            values[name] = int(text or 0) if kind is int else text
    return Record(**values)


def write(path: Path, records: Iterable[Record]) -> None:
    """Write a file of results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(FIELDS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(to_text(record) for record in records)


def read(path: Path) -> list[Record]:
    """Read a file of results."""
    with path.open(encoding="utf-8", newline="") as file:
        return [from_text(row) for row in csv.DictReader(file)]


def update(old: Iterable[Record], new: Iterable[Record]) -> list[Record]:
    """Return the rows of both, of the same cell the newer."""
    rows = {record.key: record for record in old}
    rows.update((record.key, record) for record in new)
    return list(rows.values())
