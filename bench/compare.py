"""Measure two commits against each other, in processes that alternate between them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench import machine, parent
from bench.parent import Options
from bench.records import Record
from bench.statistics import is_slower, ratios
from bench.tables import number, table

#: Groups and contestants: ours, in the group that has every shape, and the linear loss.
ON_HOST = (
    ("loss_gradient", "linear_small"),
    ("ours_numpy", "ours_numpy_out", "ours_torch_autograd", "ours_jax"),
)
ON_GPU = (("small", "loss_gradient_bfloat16"), ("ours_torch", "ours_torch_autograd", "ours_cupy"))
#: Seconds for a case in one process: there are many processes.
BUDGET_S = 0.5
FEWEST_PAIRS = 5

Key = tuple[str, str, str, str, str, str]


@contextmanager
def worktrees(revisions: dict[str, str]) -> Iterator[dict[str, Path]]:
    """Check revisions out into a temporary folder, by the names that are given to them."""
    trees = {}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for name, revision in revisions.items():
                tree = Path(scratch) / name
                machine.git("worktree", "add", "--detach", str(tree), revision)
                trees[name] = tree
            yield trees
        finally:
            for tree in trees.values():
                machine.git("worktree", "remove", "--force", str(tree))


def run(
    before: str, after: str, options: Options, pairs: int, threshold: float
) -> tuple[list[str], bool]:
    """Return the lines to print, and whether anything became slower."""
    if pairs < FEWEST_PAIRS:
        raise ValueError(f"pairs must be at least {FEWEST_PAIRS} to tell noise, got {pairs}")
    groups, contestants = ON_GPU if options.device == "cuda" else ON_HOST
    options = replace(
        options,
        groups=groups,
        contestants=contestants,
        budget_s=min(options.budget_s, BUDGET_S),
    )
    measured: dict[str, list[dict[Key, float]]] = {"before": [], "after": []}
    with worktrees({"before": before, "after": after}) as trees:
        for pair in range(pairs):
            # Whatever goes on beside does not always meet the same side.
            for side in ("before", "after") if pair % 2 == 0 else ("after", "before"):
                print(f"pair {pair + 1} of {pairs}: {side}", flush=True)
                rows = parent.run(replace(options, source=trees[side] / "src"))
                measured[side].append(times(rows))
    return summary(measured["before"], measured["after"], threshold)


def times(rows: list[Record]) -> dict[Key, float]:
    """Return the medians of one process by what they are about."""
    return {
        (row.function, row.shape, row.title, row.targets, row.option, row.allocator): (
            row.time_median_ms
        )
        for row in rows
        if row.status == "ok"
    }


def summary(
    before: list[dict[Key, float]], after: list[dict[Key, float]], threshold: float
) -> tuple[list[str], bool]:
    """Return a table of ratios, and whether something became slower beyond the noise.

    A ratio is that of two processes which ran one after the other.
    """
    keys = [key for key in before[0] if all(key in times for times in (*before, *after))]
    rows, slower = [], False
    for key in keys:
        early = [times[key] for times in before]
        late = [times[key] for times in after]
        ratio, worse = ratios(early, late), is_slower(early, late, threshold)
        slower = slower or worse
        _, shape, title, targets, option, allocator = key
        name = ", ".join(part for part in (title, targets, option) if part)
        quartiles = f"{number(ratio.q25)} to {number(ratio.q75)}"
        verdict = "SLOWER" if worse else ""
        rows.append([name, shape, allocator, number(ratio.median), quartiles, verdict])
    head = ("", "shape", "allocator", "time after / before", "quartiles", "")
    return table(head, rows), slower
