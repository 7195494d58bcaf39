"""The goals for speed and memory as data: what is divided by what, and what the ratio must be."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bench.cases import Entry
from bench.records import Record

#: must and target.
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Goal:
    """A quantity of two entries of one group, in some shapes; or of one entry.

    ``bounds`` are those under the default allocator, ``kept`` those under one that keeps memory,
    if they differ.
    """

    text: str
    group: str
    shapes: tuple[str, ...]
    top: Entry
    bounds: Bounds
    bottom: Entry | None = None
    kept: Bounds | None = None
    measure: Literal["time_median_ms", "peak_extra_MiB", "beyond_MiB", "time_us"] = "time_median_ms"
    form: Literal["ratio", "extra", "value"] = "ratio"
    at_least: bool = False

    def bounds_for(self, allocator: str) -> Bounds:
        """Return must and target for an allocator."""
        return self.kept if self.kept is not None and allocator == "kept" else self.bounds

    def verdict(self, value: float, allocator: str) -> str:
        """Say which bound a value meets."""
        must, target = self.bounds_for(allocator)
        sign = -1.0 if self.at_least else 1.0
        if sign * value <= sign * target:
            return "target met"
        return "must met" if sign * value <= sign * must else "missed"


class Results:
    """The rows that were measured, found by what they are about."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._rows = {
            (row.group, row.shape, row.contestant, row.targets, row.option, row.allocator): row
            for row in records
            if row.status == "ok"
        }

    def value(self, goal: Goal, shape: str, allocator: str) -> float | None:
        """Return the quantity of a goal, if all that it needs was measured."""
        values = []
        for entry in (goal.top, goal.bottom):
            if entry is None:
                continue
            key = (goal.group, shape, entry.contestant, entry.targets, entry.option, allocator)
            if key not in self._rows:
                return None
            values.append(measured(self._rows[key], goal.measure))
        if goal.form == "value":
            return values[0]
        ratio = values[0] / max(values[1], 1e-9)
        return ratio if goal.form == "ratio" else 100.0 * (ratio - 1.0)


def measured(row: Record, measure: str) -> float:
    """Return one number of a row."""
    if measure == "beyond_MiB":
        return max(row.peak_extra_MiB - row.result_MiB, 0.0)
    if measure == "time_us":
        return 1e3 * row.time_median_ms
    return float(getattr(row, measure))


BIG = ("512x32000", "256x128256")
MEDIUM = ("65536x10", "1024x1000")
#: Files of 4.3 GB.
FILES = ("107374182x10", "10737418x100", "1073741x1000")
LINEAR = ("2048x512->64000", "4096x512->128256")


def _faster(
    peer: str,
    ours: str,
    text: str,
    shapes: tuple[str, ...],
    bounds: Bounds,
    kept: Bounds | None = None,
    group: str = "loss_gradient",
) -> Goal:
    return Goal(*(text, group, shapes, Entry(peer), bounds, Entry(ours)), kept=kept, at_least=True)


CPU_GOALS = (
    _faster(
        *("torch", "ours_numpy", "torch builtin / ours on NumPy", BIG),
        *((3.5, 6.0), (1.3, 1.7)),
    ),
    _faster(
        *("torch", "ours_torch_autograd", "torch builtin / ours on torch, backward()", BIG),
        *((2.5, 4.0), (0.9, 1.3)),
    ),
    _faster(
        *("torch_compiled", "ours_numpy", "torch.compile of the builtin / ours on NumPy", BIG),
        *((1.5, 2.5), (1.0, 1.4)),
    ),
    _faster(
        *("torch_compiled", "ours_numpy", "torch.compile of the builtin / ours on NumPy", MEDIUM),
        (0.6, 1.0),
    ),
    Goal(
        "ours on NumPy, out= / (one exp pass + one copy)",
        *("loss_gradient", BIG, Entry("ours_numpy_out"), (2.5, 1.9), Entry("limit_copy_exp")),
    ),
    Goal(
        "peak memory beyond the gradient, ours on NumPy (MiB)",
        *("memory", ("128x32000", "512x32000", "2048x32000", "65536x10")),
        *(Entry("ours_numpy"), (32.0, 16.0)),
        measure="beyond_MiB",
        form="value",
    ),
    Goal(
        "peak memory with out=, ours on NumPy (MiB)",
        *("memory", ("128x32000", "512x32000", "2048x32000", "65536x10")),
        *(Entry("ours_numpy_out"), (32.0, 16.0)),
        measure="beyond_MiB",
        form="value",
    ),
    Goal(
        "smoothing over hard labels, extra time (%)",
        *("options", BIG[:1], Entry("ours_numpy"), (40.0, 25.0), Entry("ours_numpy", "hard")),
        form="extra",
    ),
    Goal(
        "one epsilon per row over one for all, extra time (%)",
        *("options", BIG[:1], Entry("ours_numpy", "per_row"), (10.0, 5.0), Entry("ours_numpy")),
        form="extra",
    ),
    Goal(
        "mixup pairs over smoothed labels, extra time (%)",
        *("options", BIG[:1], Entry("ours_numpy", "mixup"), (10.0, 5.0), Entry("ours_numpy")),
        form="extra",
    ),
    Goal(
        # In the company of none: threads of others that wait by spinning take half a core.
        "ours on NumPy (µs)",
        *("options", ("32x10",), Entry("ours_numpy"), (80.0, 40.0)),
        measure="time_us",
        form="value",
    ),
    Goal(
        "ours on torch, backward() / torch builtin",
        *("loss_gradient", ("32x10",), Entry("ours_torch_autograd"), (1.5, 1.0), Entry("torch")),
    ),
    _faster(
        *("torch", "ours_numpy", "one thread: torch builtin / ours on NumPy"),
        *(("1024x1000", "512x32000"), (1.0, 1.5)),
        group="one_thread",
    ),
    _faster(
        *("one_hot", "ours_numpy", "one-hot NumPy / ours on NumPy", ("1024x1000", *BIG)),
        (3.0, 5.0),
    ),
    Goal(
        "one-hot NumPy / ours on NumPy, peak memory",
        *("memory", ("512x32000", "2048x32000"), Entry("one_hot"), (4.0, 4.0)),
        Entry("ours_numpy"),
        measure="peak_extra_MiB",
        at_least=True,
    ),
    *(
        Goal(
            f"linear: ours on {title} / the three products in {title}",
            *("linear", LINEAR[:1], Entry(f"ours_{name}"), (1.25, 1.08)),
            Entry(f"limit_products_{name}"),
        )
        for name, title in (("numpy", "NumPy"), ("torch", "torch"))
    ),
    *(
        Goal(
            f"linear: ours on {title} / torch builtin",
            *("linear", LINEAR[:1], Entry(name), (0.8, 0.5), Entry("torch")),
        )
        for name, title in (("ours_numpy", "NumPy"), ("ours_torch_autograd", "torch, backward()"))
    ),
    *(
        Goal(
            f"linear: torch builtin / ours on {title}, peak memory",
            *("linear_memory", LINEAR[:1], Entry("torch"), (3.5, 5.0), Entry(name)),
            measure="peak_extra_MiB",
            at_least=True,
        )
        for name, title in (("ours_numpy", "NumPy"), ("ours_torch_autograd", "torch, backward()"))
    ),
    Goal(
        "linear: smoothing over hard labels, extra time (%), ours on NumPy",
        *("linear", LINEAR[:1], Entry("ours_numpy"), (3.0, 1.0), Entry("ours_numpy", "hard")),
        form="extra",
    ),
    *(
        Goal(
            f"report on files / (reading them and one exp pass), {text}",
            *("report", FILES, Entry("ours_report", "hard"), (3.0, 2.0)),
            Entry("limit_read_exp", "hard", option),
        )
        for text, option in (("all threads", ""), ("one thread for the latter", "1 thread"))
    ),
    Goal(
        "peak memory of a report on files (MiB)",
        *("report_memory", FILES, Entry("ours_report", "hard"), (200.0, 100.0)),
        measure="peak_extra_MiB",
        form="value",
    ),
)
