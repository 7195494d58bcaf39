"""Write the tables and plots that docs/benchmarks.md includes."""

from collections.abc import Sequence
from pathlib import Path

from bench import plots, tables
from bench.goals import CPU_GOALS
from bench.gpu_goals import GPU_GOALS
from bench.records import Record

#: Group, heading, what is shown, in the order of the page.
SECTIONS = {
    "cpu": (
        ("loss_gradient", "Loss and gradient, float32 (ms)", "time_median_ms"),
        ("forward", "Loss alone, float32 (ms)", "time_median_ms"),
        ("dtypes", "Other dtypes, loss and gradient (ms)", "time_median_ms"),
        ("targets", "Kinds of targets, loss and gradient (ms)", "time_median_ms"),
        ("one_thread", "One thread, loss and gradient (ms)", "time_median_ms"),
        ("linear", "Linear layer and loss, with all gradients (ms)", "time_median_ms"),
        ("linear_small", "The same, small (ms)", "time_median_ms"),
        ("linear_large", "The same, large (ms)", "time_median_ms"),
        ("memory", "Memory at the peak, loss and gradient (MiB)", "peak_extra_MiB"),
        ("linear_memory", "Memory at the peak, linear layer and loss (MiB)", "peak_extra_MiB"),
        ("linear_large_memory", "The same, large (MiB)", "peak_extra_MiB"),
        (
            "million_rows",
            "Linear layer and loss, memory beyond the gradients (MiB)",
            "beyond_MiB",
        ),
        ("report", "Report on files of 268 MB and 4.3 GB (ms)", "time_median_ms"),
        ("report_memory", "The same, memory at the peak (MiB)", "peak_extra_MiB"),
    ),
    "cuda": (
        ("loss_gradient_bfloat16", "Loss and gradient, bfloat16 (ms)", "time_median_ms"),
        ("loss_gradient_float32", "Loss and gradient, float32 (ms)", "time_median_ms"),
        ("small", "Few classes, float32 (ms)", "time_median_ms"),
        ("forward", "Loss alone, bfloat16 (ms)", "time_median_ms"),
        ("linear", "Linear layer and loss, with all gradients, bfloat16 (ms)", "time_median_ms"),
        ("loss_gradient_bfloat16", "Kernels started by one call, bfloat16", "kernels"),
        ("memory", "Memory at the peak, loss and gradient (MiB)", "peak_extra_MiB"),
        ("linear_memory", "Memory at the peak, linear layer and loss (MiB)", "peak_extra_MiB"),
    ),
}
NOTICE = "<!-- Written by `python -m bench report`; not edited by hand. -->"
#: Groups without which a page leaves out their section.
OPTIONAL = {"linear_large", "linear_large_memory"}


def write(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write a page and its plots for the host and for a GPU, also if there is nothing to show."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for device in SECTIONS:
        rows = [row for row in records if row.device == device]
        pictures = plots.draw_all(rows, folder, device) if rows else {}
        page = folder / f"benchmarks_{device}.md"
        page.write_text("\n".join([*page_lines(rows, device, pictures), ""]), encoding="utf-8")
        written += [page, *pictures.values()]
    return written


def page_lines(rows: Sequence[Record], device: str, pictures: dict[str, Path]) -> list[str]:
    """Return a page: where it was measured, the goals, the plots, the tables."""
    if not rows:
        where = "GPU" if device == "cuda" else "host"
        return [NOTICE, "", f"No results of a {where} have been recorded yet."]
    goals = GPU_GOALS if device == "cuda" else CPU_GOALS
    lines = [NOTICE, "", *spaced(tables.provenance(rows))]
    lines += ["### Goals", "", *tables.goals_table(goals, rows), ""]
    for text, path in pictures.items():
        lines += [f"![{text}]({path.name})", ""]
    groups = {row.group for row in rows}
    for group, heading, measure in SECTIONS[device]:
        if group in groups or group not in OPTIONAL:
            lines += [f"### {heading}", "", *tables.group_table(rows, group, measure), ""]
        if group == "targets":
            lines += ["### What options cost", "", *tables.option_table(rows), ""]
    if missing := tables.missing_table(rows):
        lines += ["### Not measured", "", *missing, ""]
    return lines[:-1]


def spaced(lines: Sequence[str]) -> list[str]:
    """Return paragraphs with an empty line after each."""
    return [part for line in lines for part in (line, "")]
