"""Results as plots: time over classes, memory over rows, and the ratio to the limit.

Colours of Okabe and Ito, with a marker each, so that they are told apart with any kind of colour
vision and in grey.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.records import Record

#: Contestant: colour, marker, line.
LOOKS = {
    "ours_numpy": ("#0072B2", "o", "-"),
    "ours_numpy_out": ("#56B4E9", "o", "--"),
    "ours_torch_autograd": ("#009E73", "s", "-"),
    "ours_jax": ("#CC79A7", "D", "-"),
    "ours_torch_compiled": ("#009E73", "s", "--"),
    "ours_torch_compiled_autograd": ("#009E73", "p", "--"),
    "ours_cupy": ("#0072B2", "o", "-"),
    "ours_torch": ("#56B4E9", "h", "-"),
    "torch": ("#D55E00", "^", "-"),
    "torch_chunked": ("#D55E00", "<", "--"),
    "torch_compiled": ("#D55E00", "v", "--"),
    "optax": ("#E69F00", "P", "-"),
    "liger": ("#E69F00", "X", "-"),
    "flash_attention": ("#CC79A7", "D", "-"),
    "scipy": ("#999999", "X", "-"),
    "one_hot": ("#999999", "*", ":"),
    "limit_copy_exp": ("#000000", "", ":"),
    "limit_copy": ("#000000", "", ":"),
}
#: What the pictures show, and what their files are called.
TEXTS = {
    "Time of loss and gradient per logit, over the number of classes.": "time",
    "Memory at the peak of a call, over the number of rows.": "memory",
    "Time as a multiple of the limit.": "limit",
}
#: Left out where lines would be too many: they lie between those that are shown.
CROWDED = {"ours_torch", "ours_torch_compiled_autograd", "limit_copy"}
#: Less memory than this is drawn as this: 0 has no place on a logarithmic axis.
SMALLEST_MIB = 0.1
ALLOCATORS = (
    ("default", "allocator that gives memory back (default)"),
    ("kept", "allocator that keeps memory"),
)


def pictures_of(device: str, folder: Path) -> dict[str, Path]:
    """Return what each picture shows, and its file."""
    return {text: folder / f"benchmarks_{device}_{name}.png" for text, name in TEXTS.items()}


def draw_all(rows: Sequence[Record], folder: Path, device: str) -> dict[str, Path]:
    """Draw what there are rows for; return the text and the file of each picture."""
    found = {}
    draws = (draw_time, draw_memory, draw_limit)
    for (text, path), draw in zip(pictures_of(device, folder).items(), draws, strict=True):
        figure = draw(rows)
        if figure is not None:
            figure.savefig(path, dpi=144, metadata={"Software": None})
            found[text] = path
    return found


def panels(rows: Sequence[Record], height: float) -> tuple[Any, list[tuple[Any, list[Record]]]]:
    """Return a figure with a panel for each allocator that was measured."""
    from matplotlib.figure import Figure

    names = [(name, title) for name, title in ALLOCATORS if any(r.allocator == name for r in rows)]
    figure = Figure(figsize=(5.2 * max(len(names), 1.3), height), layout="constrained")
    made = figure.subplots(1, len(names), sharey=True, sharex=True, squeeze=False)[0]
    parts = []
    for axes, (name, title) in zip(made, names, strict=True):
        axes.grid(color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if len(names) > 1:
            axes.set_title(title, fontsize=10)
        parts.append((axes, [row for row in rows if row.allocator == name]))
    return figure, parts


def chosen(rows: Iterable[Record], groups: tuple[str, ...]) -> list[Record]:
    """Return the rows of some groups with smoothed labels, of contestants that have a look."""
    return [
        row
        for row in rows
        if row.group in groups
        and row.status == "ok"
        and row.targets == "smoothed"
        and not row.option
        and row.contestant in LOOKS
    ]


def draw_lines(
    figure: Any,
    parts: list[tuple[Any, list[Record]]],
    x: Callable[[Record], float],
    y: Callable[[Record], tuple[float, float, float]],
) -> None:
    """Draw a line per contestant, with the quartiles as bars, and one legend for all panels."""
    from matplotlib.lines import Line2D

    seen: dict[str, Any] = {}
    for axes, rows in parts:
        for name, (colour, marker, line) in LOOKS.items():
            points = sorted((x(row), *y(row)) for row in rows if row.contestant == name)
            if not points:
                continue
            places, middle, low, high = zip(*points, strict=True)
            bars = [
                [value - below for value, below in zip(middle, low, strict=True)],
                [above - value for value, above in zip(middle, high, strict=True)],
            ]
            title = next(row.title for row in rows if row.contestant == name)
            look = {"color": colour, "marker": marker, "linestyle": line, "markersize": 5}
            axes.errorbar(places, middle, yerr=bars, linewidth=1.4, capsize=2, **look)
            seen.setdefault(title, Line2D([], [], label=title, **look))
    figure.legend(handles=list(seen.values()), loc="outside right upper", frameon=False, fontsize=8)


def draw_time(rows: Sequence[Record]) -> Any:
    """Nanoseconds per logit over classes, of the case with the most rows for each."""
    found = chosen(rows, ("loss_gradient", "loss_gradient_bfloat16"))
    found = [row for row in found if row.contestant not in CROWDED]
    if not found:
        return None
    most = {row.classes: max(r.rows for r in found if r.classes == row.classes) for row in found}
    found = [row for row in found if row.rows == most[row.classes]]
    classes = sorted(most)
    figure, parts = panels(found, 4.4)

    def per_logit(row: Record) -> tuple[float, float, float]:
        scale = 1e6 / (row.rows * row.classes)
        times = (row.time_median_ms, row.time_q25_ms, row.time_q75_ms)
        return (times[0] * scale, times[1] * scale, times[2] * scale)

    draw_lines(figure, parts, lambda row: float(classes.index(row.classes)), per_logit)
    for axes, _ in parts:
        labels = [f"{number}\n({most[number]} rows)" for number in classes]
        axes.set_xticks(range(len(classes)), labels, fontsize=8)
        axes.set(yscale="log", xlabel="classes", xlim=(-0.3, len(classes) - 0.7))
        plain_numbers(axes.yaxis)
    parts[0][0].set_ylabel("loss and gradient (ns per logit)")
    return figure


def draw_memory(rows: Sequence[Record]) -> Any:
    """MiB at the peak over rows, of the number of classes with the most cases."""
    found = chosen(rows, ("memory",))
    if not found:
        return None
    classes = [row.classes for row in found]
    most = max(classes, key=classes.count)
    found = [row for row in found if row.classes == most]
    figure, parts = panels(found, 3.8)

    def peak(row: Record) -> tuple[float, float, float]:
        shown = max(row.peak_extra_MiB, SMALLEST_MIB)
        return (shown, shown, shown)

    draw_lines(figure, parts, lambda row: float(row.rows), peak)
    for axes, _ in parts:
        axes.set(xscale="log", yscale="log", xlabel=f"rows of {most} classes")
        axes.set_xticks(sorted({row.rows for row in found}), minor=False)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.minorticks_off()
        plain_numbers(axes.yaxis)
    parts[0][0].set_ylabel("memory at the peak,\ngradient included (MiB)")
    return figure


def draw_limit(rows: Sequence[Record]) -> Any:
    """Bars: how many times the limit each contestant takes, in the largest case."""
    found = chosen(rows, ("loss_gradient", "loss_gradient_bfloat16"))
    limit = "limit_copy_exp" if any(r.contestant == "limit_copy_exp" for r in found) else ""
    limit = limit or "limit_copy"
    shapes = list(dict.fromkeys(row.shape for row in sorted(found, key=lambda r: r.rows)))
    limits = {(r.shape, r.allocator): r.time_median_ms for r in found if r.contestant == limit}
    shapes = [s for s in shapes if any(s == shape for shape, _ in limits)]
    found = [r for r in found if not r.contestant.startswith("limit") and r.classes >= 32000]
    shapes = [shape for shape in shapes if any(row.shape == shape for row in found)]
    if not shapes:
        return None
    figure, parts = panels(found, 4.4)
    order = [name for name in LOOKS if any(row.contestant == name for row in found)]
    titles = {row.contestant: row.title for row in found}
    hatches = ("", "///", "...")
    height = 0.8 / len(shapes)
    for axes, part in parts:
        for index, shape in enumerate(shapes):
            for row in (row for row in part if row.shape == shape):
                base = limits.get((shape, row.allocator))
                if base is None:
                    continue
                place = order.index(row.contestant) + (index - (len(shapes) - 1) / 2) * height
                ours = row.kind == "ours"
                value = row.time_median_ms / base
                axes.barh(
                    *(place, value),
                    height=height * 0.9,
                    color="#0072B2" if ours else "#E69F00",
                    hatch=hatches[index % 3],
                    edgecolor="white",
                )
                axes.text(value, place, f" {value:.2g}", va="center", fontsize=7)
        axes.axvline(1.0, color="black", linewidth=1)
        axes.set_yticks(range(len(order)), [titles[name] for name in order])
        axes.grid(visible=False, axis="y")
        text = "one copy and one exp pass" if limit == "limit_copy_exp" else "one copy"
        axes.set_xlabel(f"time / time of {text}")
    parts[0][0].invert_yaxis()
    from matplotlib.patches import Patch

    handles = [
        *(
            Patch(facecolor="0.6", hatch=hatches[i % 3], edgecolor="white", label=shape)
            for i, shape in enumerate(shapes)
        ),
        Patch(facecolor="#0072B2", label="softtargets"),
        Patch(facecolor="#E69F00", label="others"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def plain_numbers(axis: Any) -> None:
    """Write the numbers of a logarithmic axis without powers of ten."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")
