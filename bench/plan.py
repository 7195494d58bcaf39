"""What a child process is asked to do, and the marks that it leaves."""

import json
import mmap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from bench import gpu, host
from bench.cases import Case, Contest, Device, Entry, Group, cell, select, shrink

Allocator = Literal["default", "kept"]
MARK_BYTES = 512


@dataclass(frozen=True)
class Plan:
    """One group in one process; or one cell of it, where memory is measured."""

    group: str
    rows_path: str
    mark_path: str
    device: Device = "cpu"
    allocator: Allocator = "default"
    threads: int = 2
    tiny: bool = False
    shapes: tuple[str, ...] = ()
    contestants: tuple[str, ...] = ()
    budget_s: float = 8.0
    most_rounds: int = 101
    #: Of the source that is measured.
    commit: str = "unknown"
    only: str = ""
    #: Cells that are done.
    skip: tuple[str, ...] = ()
    #: Cells that brought a process down, and how it ended.
    crashed: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> str:
        """Return the plan as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Return the plan that a text says."""
        values: dict[str, Any] = json.loads(text)
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = tuple(tuple(v) if isinstance(v, list) else v for v in value)
        return cls(**values)

    def find(self) -> Group:
        """Return the group, with the cases that were asked for."""
        group = next(group for group in groups(self.device) if group.name == self.group)
        group = select(group, self.shapes)
        return shrink(group) if self.tiny else group

    def contests(self) -> list[Contest]:
        """Return cases and entries that are still to be measured."""
        found = []
        for case, entries in self.find().contests:
            left = tuple(entry for entry in entries if self.wants(case, entry))
            if left:
                found.append((case, left))
        return found

    def wants(self, case: Case, entry: Entry) -> bool:
        """Whether an entry is asked for and not done."""
        name = cell(case, entry)
        if self.contestants and entry.contestant not in self.contestants:
            return False
        return name not in self.skip and self.only in ("", name)


def groups(device: Device) -> tuple[Group, ...]:
    """Return all groups of a device."""
    return host.GROUPS if device == "cpu" else gpu.GROUPS


class Mark:
    """A name that survives the process that wrote it: who ran when it died."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(b"\0" * MARK_BYTES)
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), MARK_BYTES)

    def __call__(self, name: str) -> None:
        """Write a name: some hundred nanoseconds, no call of the system."""
        self._map[:] = name.encode()[:MARK_BYTES].ljust(MARK_BYTES, b"\0")

    @staticmethod
    def read(path: Path) -> str:
        """Return the last name that was written."""
        return path.read_bytes().rstrip(b"\0").decode() if path.exists() else ""
