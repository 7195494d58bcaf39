"""The logit gap becomes what the closed form says, and without smoothing it grows for ever."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from softtargets import plots
from softtargets.analysis import optimal_logit_gap
from softtargets.demo.data import NUM_CLASSES
from softtargets.demo.tables import over_seeds
from studies.converged import EPSILONS, converged
from studies.findings import Finding, differs, markdown, reaches
from studies.measures import smoothed
from studies.results import Measured, Results
from studies.study import Settings, Study

#: How near the mean gap has to come, in nats.
MARGIN = 0.02
BEGIN = "gap after "


def measure(seed: int, settings: Settings) -> Measured:
    """Return gap and spread of each network at each moment."""
    done = converged(seed, settings)
    found = {}
    for index, e in enumerate(EPSILONS):
        for step, reports in zip(done.moments, done.reports, strict=True):
            found[smoothed(e), f"{BEGIN}{step}"] = float(reports[index].gap)
        found[smoothed(e), "spread"] = float(done.reports[-1][index].gap_std)
    return found


def steps_of(results: Results) -> list[int]:
    """Return the moments."""
    names = results.measures(smoothed(0), BEGIN)
    return [int(name.removeprefix(BEGIN)) for name in names]


def quarter(results: Results) -> int:
    """Return the last moment in the first quarter of training."""
    steps = steps_of(results)
    return max(step for step in steps if step <= max(steps) / 4)


def tables(results: Results) -> Sequence[str]:
    """Return the table of gaps."""
    early, last = quarter(results), max(steps_of(results))
    header = ["e", f"gap after {early} steps", f"after {last}", "closed form", "spread over images"]
    rows = []
    for e in EPSILONS:
        exact = optimal_logit_gap(e, NUM_CLASSES)
        rows.append(
            [
                f"{e:g}",
                results.cell(smoothed(e), f"{BEGIN}{early}", 3),
                results.cell(smoothed(e), f"{BEGIN}{last}", 3),
                f"{exact:.3f}" if math.isfinite(exact) else "infinite",
                results.cell(smoothed(e), "spread", 3),
            ]
        )
    return markdown(header, rows)


def findings(results: Results) -> Sequence[Finding]:
    """Judge each amount of smoothing."""
    early, last = (f"{BEGIN}{step}" for step in (quarter(results), max(steps_of(results))))
    found = [
        reaches(
            f"With e = {e:g} the mean gap comes within {MARGIN} of the closed form",
            results.values(smoothed(e), last),
            optimal_logit_gap(e, NUM_CLASSES),
            MARGIN,
            3,
        )
        for e in EPSILONS
        if e > 0
    ]
    grown = results.values(smoothed(0), last) - results.values(smoothed(0), early)
    claim = "Without smoothing the gap still grows in the last three quarters"
    return [*found, differs(claim, over_seeds(grown), 1, 2, unit="nats")]


def draw(results: Results) -> Any:
    """Show the gaps over training."""
    steps = steps_of(results)
    gaps = {
        e: np.stack([results.values(smoothed(e), f"{BEGIN}{step}") for step in steps], axis=1)
        for e in EPSILONS
    }
    axes = plots.logit_gap(steps, gaps, NUM_CLASSES)
    axes.set_title("Logit gap on the training set", fontsize=10)
    return axes.figure


STUDY = Study(
    "gap",
    measure,
    tables,
    findings,
    draw,
    "Logit gaps over training steps: with smoothing they level off at the closed form, without it "
    "they keep growing.",
)
