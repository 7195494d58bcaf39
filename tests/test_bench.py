"""How the benchmarks are run: statistics, rounds, memory, files, plans, processes.

Nothing here depends on how long something takes. What they measure is in test_bench_cases.py, what
is made of it in test_bench_report.py.
"""

import json
import math
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import machine, memory, parent, records, timing
from bench.__main__ import main, make_parser
from bench.cases import Case, cell, select
from bench.child import measure
from bench.contestants import Run
from bench.host import GROUPS
from bench.parent import Options
from bench.plan import Mark, Plan
from bench.statistics import is_slower, ratios, repeats_for, rounds_for, summarize
from tests.test_bench_report import record


def test_quartiles() -> None:
    """Median and quartiles interpolate between samples; of nothing there are none."""
    found = summarize([4.0, 1.0, 3.0, 2.0])
    assert (found.q25, found.median, found.q75, found.count) == (1.75, 2.5, 3.25, 4)
    assert summarize([5.0]).q25 == summarize([5.0]).q75 == 5.0
    with pytest.raises(ValueError, match=r"^there must be at least one sample$"):
        summarize([])
    assert ratios([1.0, 2.0, 4.0], [2.0, 2.0, 2.0]).median == 1.0


def test_slower_means_more_than_noise() -> None:
    """Slower needs both: times apart from all before, and a median above the threshold."""
    before = [1.0, 1.1, 1.2, 1.0, 1.1]
    assert is_slower(before, [1.3, 1.4, 1.4, 1.3, 1.0], 0.05)
    assert not is_slower(before, [1.3, 1.4, 1.4, 1.1, 1.0], 0.05)
    assert not is_slower(before, [1.3, 1.4, 1.4, 1.3, 1.0], 0.5)
    assert not is_slower(before, before, 0.0)


def test_rounds_and_repeats() -> None:
    """Rounds fill the budget, within bounds; short calls are repeated until a sample is long."""
    assert rounds_for(0.5, 5.0, 3, 100) == 10
    assert rounds_for(5.0, 5.0, 3, 100) == 3
    assert rounds_for(0.0, 5.0, 3, 100) == 100
    assert repeats_for(1e-4, 2e-3, 50) == 20
    assert repeats_for(1.0, 2e-3, 50) == 1
    assert repeats_for(0.0, 2e-3, 50) == 50


def test_rounds_have_another_order_each() -> None:
    """All run in each round; what is untimed comes before each call and around each series."""
    calls: list[str] = []

    def run(name: str) -> Run:
        note = [lambda what=what: calls.append(f"{what} {name}") for what in ("reset", "in", "out")]
        return Run(
            lambda: calls.append(name), "float32", reset=note[0], enter=note[1], leave=note[2]
        )

    def clock(run: Run, repeats: int) -> float:
        run.reset()
        run.call()
        return 1.0

    runs = {name: run(name) for name in "abc"}
    seen: list[str] = []
    found = timing.in_turn(
        runs, clock, budget_s=0, fewest_rounds=2, most_rounds=9, watch=seen.append
    )
    assert found == {name: [1.0, 1.0] for name in "abc"}
    order = [call for call in calls if call in runs]
    assert order == seen
    rounds = ["".join(seen[start : start + 3]) for start in (0, 3, 6)]
    assert rounds[0] == "abc"
    assert [sorted(one) for one in rounds] == [[*"abc"]] * 3
    assert rounds[1] != rounds[2]
    assert calls[:4] == ["in a", "reset a", "a", "out a"]


def test_the_clock_of_the_host() -> None:
    """All calls of a sample are made, each after its reset."""
    calls: list[str] = []
    run = Run(lambda: calls.append("call"), "float32", reset=lambda: calls.append("reset"))
    assert timing.host_clock(run, 3) >= 0
    assert calls == ["reset", "call"] * 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counted by Linux")
def test_memory_counts_what_a_call_returns() -> None:
    """The peak of a call has the memory that it fills, and not what was there before."""
    there = bytearray(b"x" * 2**26)
    peak = memory.peak_of(Run(lambda: b"x" * 2**25, "float32"), "numpy", "cpu")
    assert 31 < peak < 48
    assert len(there) == 2**26


def test_file_of_results(tmp_path: Path) -> None:
    """Rows are the same after writing and reading; units are in the names; newer rows replace."""
    rows = [
        record("torch", 12.5, versions="torch 2.13; numpy 2.4"),
        record("ours_numpy", status="skipped", note='not "here", yet'),
    ]
    path = tmp_path / "folder" / "cpu.csv"
    records.write(path, rows)
    assert [records.to_text(row) for row in records.read(path)] == [
        records.to_text(row) for row in rows
    ]
    head = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert {"time_median_ms", "time_q25_ms", "time_q75_ms", "peak_extra_MiB", "commit"} <= {*head}
    newer = record("torch", 10.0)
    assert records.update(rows, [newer]) == [newer, rows[1]]
    path.write_text("group,function\na,b\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^the file has no column allocator, bias"):
        records.read(path)


def test_plan_as_text() -> None:
    """A plan is the same after being written and read, tuples within tuples included."""
    plan = Plan("forward", "rows", "mark", skip=("a", "b"), crashed=(("c", "why"),), tiny=True)
    assert Plan.from_json(plan.to_json()) == plan


def test_mark(tmp_path: Path) -> None:
    """The last name that was written can be read from outside; without a file there is none."""
    assert Mark.read(tmp_path / "mark") == ""
    mark = Mark(tmp_path / "mark")
    assert Mark.read(tmp_path / "mark") == ""
    mark("a long name")
    mark("short")
    assert Mark.read(tmp_path / "mark") == "short"


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allocators are those asked for, whatever they were; threads are the same everywhere."""
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "5")
    default = parent.environment(Options(), "default", 3)
    assert not [name for name in default if name.startswith("MALLOC_")]
    assert {default[name] for name in parent.THREADS} == {"3"}
    kept = parent.environment(Options(waiting="active"), "kept", 1)
    assert kept["MALLOC_TRIM_THRESHOLD_"] == "-1"
    assert kept["OMP_WAIT_POLICY"] == "active"
    assert kept["PYTHONPATH"].startswith(str(machine.ROOT / "src"))


def test_unknown_group() -> None:
    """A group that does not exist is named."""
    with pytest.raises(ValueError, match=r"^there is no group nothing$"):
        parent.run(Options(groups=("nothing",)))


def test_smoke_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A run over tiny shapes gives a row per contestant and allocator; the other rows stay."""
    command = ["run", "--tiny", "--rounds", "1", "--budget", "0", "--output", str(tmp_path)]
    command += ["--group", "options", "--shapes", "32x10", "--update", "--contestants"]
    records.write(tmp_path / "cpu.csv", [record("torch", 1.0)])
    assert main([*command, "ours_numpy", "ours_numpy_out"]) == 0
    assert "ours_numpy_out, smoothed" in capfd.readouterr().out
    kept, *rows = records.read(tmp_path / "cpu.csv")
    assert kept.contestant == "torch"
    assert len(rows) == 2 * 8
    assert {row.allocator for row in rows} == {"default", "kept"}
    assert {row.status for row in rows} == {"ok"}
    for row in rows:
        assert 0 < row.time_q25_ms <= row.time_median_ms <= row.time_q75_ms
        assert ("MALLOC_TRIM_THRESHOLD_=-1" in row.settings) == (row.allocator == "kept")
        assert "numpy " in row.versions
        assert row.shape == Case(32, 10).shrunk().shape


def plan_in(folder: Path, **more: Any) -> Plan:
    """Return a plan for one tiny case of NumPy, on all cores so that nothing changes here."""
    values = {"tiny": True, "shapes": ("512x32000",), "contestants": ("ours_numpy", "one_hot")}
    values |= {"threads": os.cpu_count() or 1, "most_rounds": 1, "budget_s": 0.0}
    return Plan("one_thread", str(folder / "rows"), str(folder / "mark"), **(values | more))


def test_who_brings_a_process_down_loses_one_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group is run again without the contestant that ran last, whose row says how it ended."""
    plan = plan_in(tmp_path)
    ((case, entries),) = plan.contests()
    plans = []

    def start(plan: Plan, options: Options, scratch: Path) -> str:
        plans.append(plan)
        if len(plans) == 1:
            Mark(Path(plan.mark_path))(cell(case, entries[1]))
            return "exit status -11: it said nothing"
        measure(plan, lambda text: None)
        return ""

    monkeypatch.setattr(parent, "start", start)
    rows = parent.run_plan(plan, Options(), tmp_path)
    assert plans[1].crashed == ((cell(case, entries[1]), "exit status -11: it said nothing"),)
    found = {row.contestant: (row.status, row.note) for row in rows}
    assert found == {
        "one_hot": ("crashed", "exit status -11: it said nothing"),
        "ours_numpy": ("ok", ""),
    }


def test_a_process_that_cannot_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no contestant is to blame the run ends, with what the process said last."""
    monkeypatch.setattr(parent, "start", lambda *_: "exit status 1: no such module")
    with pytest.raises(RuntimeError, match=r"one_thread: .* outside of any cell: .* such module"):
        parent.run_plan(plan_in(tmp_path), Options(), tmp_path)


def test_memory_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Groups about memory have a plan per cell; a cell measures bytes, not time."""
    group = select(next(g for g in GROUPS if g.name == "memory"), ("128x32000",))
    plan = replace(plan_in(tmp_path, shapes=("128x32000",)), group="memory")
    parts = list(parent.parts(plan, group))
    assert len(parts) == len({part.only for part in parts}) == 2
    measure(parts[0], lambda text: None)
    ((row,), _) = parent.gather(Path(plan.rows_path))
    assert row.status == "ok"
    assert row.peak_extra_MiB >= 0
    assert math.isnan(row.time_median_ms)


def test_commands() -> None:
    """The three commands exist, and measuring is under both allocators unless one is chosen."""
    parsed = make_parser().parse_args(["run", "--allocators", "kept", "--threads", "1"])
    assert parsed.allocators == ["kept"]
    assert json.loads(Plan("forward", "", "", threads=parsed.threads).to_json())["threads"] == 1
