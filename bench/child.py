"""Measure one group, or one cell of memory, in this process: see parent.py, which starts it."""

import gc
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import machine, memory, timing
from bench.arrays import Unsupported
from bench.cases import Case, Entry, cell
from bench.contestants import CONTESTANTS, Contestant, Run, Setup
from bench.inputs import Inputs
from bench.plan import Mark, Plan
from bench.records import Record, describe, to_text
from bench.reference import Disagreement, Reference, check, reference
from bench.statistics import summarize

#: Rows of the small case that comes before a measurement of memory.
WARM_ROWS = 32


def measure(plan: Plan, show: Callable[[str], None]) -> None:
    """Measure what the plan says; a row is written as soon as it is known."""
    group, mark, crashed = plan.find(), Mark(Path(plan.mark_path)), dict(plan.crashed)
    with Path(plan.rows_path).open("a", encoding="utf-8") as file:

        def emit(case: Case, entry: Entry, **found: Any) -> None:
            record = make_record(plan, case, entry, **found)
            row = {"cell": cell(case, entry), "row": to_text(record)}
            file.write(json.dumps(row) + "\n")
            file.flush()
            show(line(case, entry, record))

        for case, entries in plan.contests():
            settle(plan, case, entries)
            for entry in entries:
                if reason := crashed.get(cell(case, entry)):
                    emit(case, entry, status="crashed", note=reason)
            left = tuple(entry for entry in entries if cell(case, entry) not in crashed)
            if group.measures == "memory":
                for entry in left:
                    mark(cell(case, entry))
                    emit(case, entry, **measure_memory(plan, case, entry))
            else:
                measure_times(plan, case, left, group.fewest_rounds, mark, emit)


def settle(plan: Plan, case: Case, entries: tuple[Entry, ...]) -> None:
    """Give every library that takes part the same cores and threads, and a fresh start."""
    gc.collect()
    needs = {name for entry in entries for name in CONTESTANTS[entry.contestant].needs}
    if plan.device == "cpu" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, machine.cores()[: plan.threads])
    if "torch" in needs and machine.has("torch"):
        import torch

        if plan.device == "cpu":
            torch.set_num_threads(plan.threads)
        if "torch._dynamo" in sys.modules:
            # Shapes of other cases would count against the limit of compilations.
            torch._dynamo.reset()
    if "jax" in needs and machine.has("jax"):
        import jax

        jax.config.update("jax_enable_x64", case.dtype == "float64")


def measure_times(
    plan: Plan,
    case: Case,
    entries: tuple[Entry, ...],
    fewest_rounds: int,
    mark: Mark,
    emit: Callable[..., None],
) -> None:
    """Check all entries of a case, then time those that are right, in turn."""
    inputs, known = Inputs(case), dict[tuple[str, str], Reference]()
    runs = {}
    for entry in entries:
        mark(cell(case, entry))
        found = prepare(Setup(case, entry, inputs, plan.threads), known)
        if isinstance(found, Run):
            runs[entry] = found
        else:
            emit(case, entry, **found)
    if not runs:
        return
    samples = timing.in_turn(
        runs,
        timing.cuda_clock() if case.device == "cuda" else timing.host_clock,
        budget_s=plan.budget_s,
        fewest_rounds=min(fewest_rounds, plan.most_rounds),
        most_rounds=plan.most_rounds,
        watch=lambda entry: mark(cell(case, entry)),
    )
    for entry, seconds in samples.items():
        summary = summarize([1e3 * value for value in seconds])
        emit(
            *(case, entry),
            status="ok",
            rounds=summary.count,
            time_median_ms=summary.median,
            time_q25_ms=summary.q25,
            time_q75_ms=summary.q75,
            kernels=timing.count_kernels(runs[entry]) if case.device == "cuda" else 0,
        )


def prepare(setup: Setup, known: dict[tuple[str, str], Reference]) -> Run | dict[str, Any]:
    """Return a run that gives what it should; otherwise the status of its row and why."""
    contestant, entry = CONTESTANTS[setup.entry.contestant], setup.entry
    try:
        run = contestant.prepare(setup)
        run.reset()
        run.enter()
        result = run.call()
        run.leave()
        if result is not None:
            key = (entry.targets, entry.option if "upstream" not in entry.option else "")
            if key not in known:
                known[key] = reference(setup.inputs, entry)
            loss, gradients = result
            check(entry.name, known[key], loss, gradients, run)
        return run
    except Unsupported as reason:
        return {"status": "skipped", "note": str(reason)}
    except Disagreement as difference:
        return {"status": "wrong", "note": str(difference)}
    except Exception as error:
        return {"status": "failed", "note": in_one_line(error)}


def measure_memory(plan: Plan, case: Case, entry: Entry) -> dict[str, Any]:
    """Return the columns about memory. A small case comes first: it imports, and it is checked."""
    contestant = CONTESTANTS[entry.contestant]
    small = replace(case, rows=min(case.rows, WARM_ROWS))
    found = prepare(Setup(small, entry, Inputs(small), plan.threads), {})
    if not isinstance(found, Run):
        return found
    del found
    try:
        run = contestant.prepare(Setup(case, entry, Inputs(case), plan.threads))
        if contestant.compiled:
            run.reset()
            run.call()
        peak = memory.peak_of(run, contestant.needs[0], case.device)
        return {"status": "ok", "peak_extra_MiB": peak, "result_MiB": result_size(case, contestant)}
    except Exception as error:
        return {"status": "failed", "note": in_one_line(error)}


def result_size(case: Case, contestant: Contestant) -> float:
    """Return the MiB of the gradients that a call allocates."""
    if not case.gradient or "out=" in contestant.title:
        return 0.0
    entries = case.rows * case.classes
    if case.features:
        entries = (case.rows + case.classes) * case.features + case.classes * case.bias
    width = {"float64": 8, "float32": 4}.get(case.dtype, 2)
    return entries * width / memory.MIB


def make_record(plan: Plan, case: Case, entry: Entry, **found: Any) -> Record:
    """Return a row with everything that is known about it."""
    contestant = CONTESTANTS[entry.contestant]
    return Record(
        group=plan.group,
        title=contestant.title,
        kind=contestant.kind,
        threads=plan.threads,
        allocator=plan.allocator,
        device_name=machine.gpu() if case.device == "cuda" else "host",
        processor=machine.processor(),
        python=platform.python_version(),
        versions=machine.versions((*contestant.needs, "numpy", "array-api-compat")),
        settings=machine.settings(),
        commit=plan.commit,
        date=machine.today(),
        **describe(case, entry),
        **found,
    )


def in_one_line(error: BaseException) -> str:
    """Return kind and message of an error."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def line(case: Case, entry: Entry, record: Record) -> str:
    """Return one row for people who watch."""
    value = record.note
    if record.status == "ok":
        value = f"{record.time_median_ms:10.3f} ms  {record.rounds} rounds"
        if record.peak_extra_MiB == record.peak_extra_MiB:
            value = f"{record.peak_extra_MiB:10.1f} MiB at the peak"
    return f"{record.allocator:8}{case.name:40}{entry.name:48}{record.status:8} {value}"


def main(path: str) -> int:
    """Read a plan and measure."""
    started = time.monotonic()
    plan = Plan.from_json(Path(path).read_text(encoding="utf-8"))
    measure(plan, lambda text: print(text, flush=True))
    print(f"{plan.group}, {plan.allocator}: {time.monotonic() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
