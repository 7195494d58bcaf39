"""Start one process for each group and allocator, and gather their rows.

Allocators are set when a process starts, memory is measured in a process of its own, and whoever
brings a process down loses one cell: the rest of the group is started again without it.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bench import machine
from bench.cases import Device, Group, cell
from bench.plan import Allocator, Mark, Plan, groups
from bench.records import Record, from_text, update

#: glibc gives arrays above 32 MB back to the system and takes them anew at each call: "default".
#: With these settings it keeps them: "kept". Programs run under either.
ALLOCATORS: dict[Allocator, dict[str, str]] = {
    "default": {},
    "kept": {
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "-1",
        "MALLOC_TOP_PAD_": "268435456",
    },
}
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "SOFTTARGETS_NUM_THREADS",
)


@dataclass(frozen=True)
class Options:
    """What to measure and how."""

    device: Device = "cpu"
    groups: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    contestants: tuple[str, ...] = ()
    allocators: tuple[Allocator, ...] = ("default", "kept")
    threads: int = 2
    waiting: str = "passive"
    budget_s: float = 8.0
    most_rounds: int = 101
    tiny: bool = False
    timeout_s: float = 1800.0
    source: Path = machine.ROOT / "src"


def environment(options: Options, allocator: Allocator, threads: int) -> dict[str, str]:
    """Return the environment of a child process."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    env.update(ALLOCATORS[allocator])
    if options.device == "cpu":
        env.update(dict.fromkeys(THREADS, str(threads)))
        # Threads of OpenMP that wait by spinning would take the cores from everyone else's.
        env["OMP_WAIT_POLICY"] = options.waiting
        env["CUDA_VISIBLE_DEVICES"] = ""
        env["JAX_PLATFORMS"] = "cpu"
    paths = [str(options.source), str(machine.ROOT), env.get("PYTHONPATH", "")]
    env["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return env


def chosen(options: Options) -> list[Group]:
    """Return the groups to measure."""
    every = groups(options.device)
    if unknown := set(options.groups) - {group.name for group in every}:
        raise ValueError(f"there is no group {', '.join(sorted(unknown))}")
    if options.groups:
        return [group for group in every if group.name in options.groups]
    return [group for group in every if group.default]


def run(options: Options) -> list[Record]:
    """Measure all that the options say."""
    records: list[Record] = []
    allocators = options.allocators if options.device == "cpu" else options.allocators[:1]
    with tempfile.TemporaryDirectory() as scratch:
        for group in chosen(options):
            for allocator in allocators:
                plan = Plan(
                    group=group.name,
                    rows_path=str(Path(scratch) / "rows.jsonl"),
                    mark_path=str(Path(scratch) / "mark"),
                    device=options.device,
                    allocator=allocator,
                    threads=group.threads or options.threads,
                    tiny=options.tiny,
                    shapes=options.shapes,
                    contestants=options.contestants,
                    budget_s=options.budget_s,
                    most_rounds=options.most_rounds,
                    commit=machine.commit(options.source.parent),
                )
                for part in parts(plan, group):
                    records = update(records, run_plan(part, options, Path(scratch)))
    return records


def parts(plan: Plan, group: Group) -> Iterable[Plan]:
    """Return the plans of a group: one, or one per cell if memory is measured."""
    if group.measures == "time":
        return [plan] if plan.contests() else []
    cells = [cell(case, entry) for case, entries in plan.contests() for entry in entries]
    return [replace(plan, only=name) for name in cells]


def run_plan(plan: Plan, options: Options, scratch: Path) -> list[Record]:
    """Run a plan in a child process, again for as long as cells bring it down."""
    Path(plan.rows_path).write_text("", encoding="utf-8")
    while True:
        left = {cell(case, entry) for case, entries in plan.contests() for entry in entries}
        reason = start(plan, options, scratch) if left else ""
        records, done = gather(Path(plan.rows_path))
        if not reason or left <= done:
            return records
        name = Mark.read(Path(plan.mark_path))
        if name not in left - done or name in dict(plan.crashed):
            raise RuntimeError(f"{plan.group}: the process ended outside of any cell: {reason}")
        crashed = (*plan.crashed, (name, reason))
        plan = replace(plan, skip=tuple(sorted(done)), crashed=crashed)


def start(plan: Plan, options: Options, scratch: Path) -> str:
    """Run a child process and return why it failed, or nothing."""
    (scratch / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    command = [sys.executable, "-m", "bench.child", str(scratch / "plan.json")]
    env = environment(options, plan.allocator, plan.threads)
    # Compiled code is kept from one process to the next of this run, and no longer.
    env["TORCHINDUCTOR_CACHE_DIR"] = str(scratch / "compiled")
    with (scratch / "errors.txt").open("w+", encoding="utf-8") as errors:
        try:
            subprocess.run(
                command,
                env=env,
                stderr=errors,
                timeout=options.timeout_s,
                check=True,
                cwd=machine.ROOT,
            )
            return ""
        except subprocess.TimeoutExpired:
            return f"it took more than {options.timeout_s:g} s"
        except subprocess.CalledProcessError as error:
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["it said nothing"])[-1]
            return f"exit status {error.returncode}: {last[:200]}"


def gather(path: Path) -> tuple[list[Record], set[str]]:
    """Return the rows that were written, and the cells that they are about."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [from_text(row["row"]) for row in rows], {row["cell"] for row in rows}
