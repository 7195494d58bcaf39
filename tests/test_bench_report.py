"""What is made of the results of benchmarks: goals, tables, plots, pages, comparisons."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import compare, machine, parent, plots, records, report, tables
from bench.__main__ import GENERATED, RESULTS, is_a_finding, main
from bench.cases import Case, Entry
from bench.contestants import CONTESTANTS
from bench.goals import Goal, Results
from bench.parent import Options
from bench.records import Record, describe

CASE = Case(512, 32000)
SHAPE = "512\N{MULTIPLICATION SIGN}32000"


def record(name: str, time_ms: float = math.nan, case: Case = CASE, **more: Any) -> Record:
    """Return a row as it would have been measured."""
    entry = Entry(name, more.pop("targets", "smoothed"), more.pop("option", ""))
    values = {"group": "loss_gradient", "threads": 2, "allocator": "default", "status": "ok"}
    values |= {"title": CONTESTANTS[name].title, "kind": CONTESTANTS[name].kind, "rounds": 7}
    times = {f"time_{key}_ms": time_ms for key in ("median", "q25", "q75")}
    return Record(**(values | describe(case, entry) | times | more))


@pytest.mark.parametrize(
    ("values", "found"),
    [((40.0, 8.0), "5, must met"), ((60.0, 10.0), "6, target met"), ((30.0, 10.0), "3, missed")],
)
def test_goals(values: tuple[float, float], found: str) -> None:
    """A ratio is compared with must and target of its allocator; what is missing shows as such."""
    goal = Goal(
        *("a / b", "loss_gradient", ("512x32000", "32x10"), Entry("torch"), (3.5, 6.0)),
        bottom=Entry("ours_numpy"),
        at_least=True,
    )
    rows = [record("torch", values[0]), record("ours_numpy", values[1])]
    assert tables.goal_rows([goal], Results(rows)) == [
        ["a / b", "512x32000", "≥ 3.5; 6", found, "-"]
    ]
    assert tables.goal_rows([goal], Results(rows[:1]))[0][1] == "not measured"


def test_forms_of_goals() -> None:
    """Extra time is in percent, memory beyond the gradient and microseconds are values."""
    common: dict[str, Any] = {"text": "", "group": "loss_gradient", "shapes": ("512x32000",)}
    hard, smooth = Entry("ours_numpy", "hard"), Entry("ours_numpy")
    rows = [record("ours_numpy", 0.02, targets="hard"), record("ours_numpy", 0.03)]
    rows = [replace(row, peak_extra_MiB=70.0, result_MiB=62.5) for row in rows]
    extra = Goal(top=smooth, bottom=hard, bounds=(60, 40), form="extra", **common)
    value = Goal(top=smooth, bounds=(9, 5), form="value", measure="beyond_MiB", **common)
    results = Results(rows)
    assert results.value(extra, "512x32000", "default") == pytest.approx(50)
    assert extra.verdict(50, "default") == "must met"
    assert results.value(value, "512x32000", "default") == 7.5
    micro = replace(value, measure="time_us")
    assert results.value(micro, "512x32000", "default") == pytest.approx(30)
    assert replace(value, kept=(9, 8)).verdict(7.5, "kept") == "target met"


def test_report(tmp_path: Path) -> None:
    """The page has the goals, a number for each allocator in a cell, plots, and what is missing."""
    pytest.importorskip("matplotlib")
    rows = [
        replace(record(name, time * (1 + (allocator == "kept"))), allocator=allocator)
        for name, time in (("torch", 40.0), ("ours_numpy", 8.0), ("limit_copy_exp", 4.0))
        for allocator in ("default", "kept")
    ]
    rows.append(record("optax", status="wrong", note="the loss is inf | nan"))
    memory_rows = [
        replace(row, group="memory", peak_extra_MiB=100.0 * row.rows, time_median_ms=math.nan)
        for row in rows
        if row.status == "ok"
    ]
    written = report.write(rows + memory_rows, tmp_path)
    names = ["benchmarks_cpu.md", *(f"benchmarks_cpu_{x}.png" for x in ("time", "memory", "limit"))]
    assert [path.name for path in written] == [*names, "benchmarks_cuda.md"]
    page = written[0].read_text(encoding="utf-8")
    assert "| torch builtin / ours on NumPy | 512x32000 | ≥ 3.5; 6 (kept: 1.3; 1.7) | 5," in page
    assert "| torch builtin | 40 / 80 |" in page
    assert "| limit: copy + exp | 4 / 8 |" in page
    lost = f"| optax, jax.jit | wrong | the loss is inf / nan | {SHAPE} float32, smoothed |"
    assert lost in page
    assert all(f"({name})" in page for name in names[1:])


def test_options_are_compared_with_none() -> None:
    """What an option costs is its time over that without, and bounds from both quartiles."""
    base = replace(record("ours_numpy", 10.0, group="options"), time_q25_ms=8.0, time_q75_ms=20.0)
    mask = replace(base, option="mask", time_median_ms=12.0, time_q25_ms=10.0, time_q75_ms=16.0)
    *_, row = tables.option_table([base, mask])
    assert row == f"| softtargets, NumPy, mask | {SHAPE} | default | 1.2 | 0.5 to 2 |"


@pytest.mark.repository
def test_pages_show_the_results() -> None:
    """The pages that are committed are what the report makes of the results that are committed."""
    rows = [row for path in sorted(RESULTS.glob("*.csv")) for row in records.read(path)]
    for device in report.SECTIONS:
        page = (GENERATED / f"benchmarks_{device}.md").read_text(encoding="utf-8")
        measured = [row for row in rows if row.device == device]
        pictures = {
            text: path
            for text, path in plots.pictures_of(device, GENERATED).items()
            if path.exists()
        }
        assert page.splitlines() == report.page_lines(measured, device, pictures)


def test_compare_finds_what_became_slower() -> None:
    """Each row has the ratio and its quartiles; only what is beyond the noise counts."""
    key, other = (("cross_entropy", "32x10", name, "hard", "", "kept") for name in ("a", "b"))
    before = [{key: 1.0 + 0.01 * n, other: 1.0} for n in range(7)]
    after = [{key: 1.3 + 0.01 * n, other: 1.0} for n in range(7)]
    lines, slower = compare.summary(before, after, 0.05)
    assert slower
    assert lines[2] == "| a, hard | 32x10 | kept | 1.29 | 1.29 to 1.3 | SLOWER |"
    assert lines[3] == "| b, hard | 32x10 | kept | 1 | 1 to 1 |  |"
    assert not compare.summary(before, before, 0.05)[1]


def test_compare_alternates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two commits are measured from trees of their own, in turn, and the trees are removed."""
    calls: list[tuple[str, ...]] = []
    sides: list[str] = []

    def measured(options: Options) -> list[Record]:
        sides.append(options.source.parent.name)
        return [record("ours_numpy", 2.0 if sides[-1] == "after" else 1.0)]

    monkeypatch.setattr(machine, "git", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(parent, "run", measured)
    assert main(["compare", "v1", "v2", "--pairs", "5"]) == 1
    assert sides == ["before", "after", "after", "before"] * 2 + ["before", "after"]
    assert [call[1] for call in calls] == ["add", "add", "remove", "remove"]
    assert [call[-1] for call in calls[:2]] == ["v1", "v2"]
    with pytest.raises(ValueError, match=r"^pairs must be at least 5 to tell noise, got 4$"):
        main(["compare", "v1", "v2", "--pairs", "4"])


def test_only_peers_in_half_precision_may_be_wrong() -> None:
    """A peer that overflows in half precision is a finding; anything else fails the run."""
    wrong = record("torch", status="wrong")
    assert is_a_finding(replace(wrong, dtype="float16"))
    assert not is_a_finding(wrong)
    assert not is_a_finding(replace(wrong, dtype="float16", kind="ours"))
    assert not is_a_finding(replace(wrong, dtype="float16", status="crashed"))
