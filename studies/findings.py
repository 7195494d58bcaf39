"""How a claim is judged, by rules that were fixed before anything was run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from softtargets.demo.tables import STANDARD_ERRORS, Difference, over_seeds, plus_minus
from softtargets.typing import Array

SHOWN, NOT_SHOWN, OPPOSITE = "shown", "not shown", "the opposite"


@dataclass(frozen=True)
class Finding:
    """A claim, what was measured, and the verdict."""

    claim: str
    measured: str
    verdict: str


def text_of(found: Difference, digits: int, factor: float, unit: str) -> str:
    """Return a difference with its standard error and unit."""
    number = plus_minus(found.mean * factor, found.error * factor, digits, "+")
    return f"{number} {unit}".rstrip()


def differs(
    claim: str, found: Difference, sign: int, digits: int, factor: float = 1.0, unit: str = ""
) -> Finding:
    """Judge that a difference has a sign: shown beyond three standard errors."""
    verdict = NOT_SHOWN
    if found.clear:
        verdict = SHOWN if found.mean * sign > 0 else OPPOSITE
    return Finding(claim, text_of(found, digits, factor, unit), verdict)


def points_differ(claim: str, found: Difference, sign: int) -> Finding:
    """Judge that a difference of fractions has a sign, and tell it in percentage points."""
    return differs(claim, found, sign, 1, 100, "points")


def within(
    claim: str, found: Difference, margin: float, digits: int, factor: float = 1.0, unit: str = ""
) -> Finding:
    """Judge that there is no difference beyond a margin.

    Shown if the mean is less than the margin by more than three standard errors, the opposite if
    it is beyond the margin by as much.
    """
    noise = STANDARD_ERRORS * found.error
    verdict = NOT_SHOWN
    if abs(found.mean) + noise < margin:
        verdict = SHOWN
    elif abs(found.mean) - noise > margin:
        verdict = OPPOSITE
    return Finding(claim, text_of(found, digits, factor, unit), verdict)


def no_worse(
    claim: str, found: Difference, margin: float, digits: int, factor: float = 1.0, unit: str = ""
) -> Finding:
    """Judge that nothing is lost: shown if a loss of ``margin`` is three standard errors away,
    the opposite if there clearly is a loss.
    """
    verdict = NOT_SHOWN
    if found.clear and found.mean < 0:
        verdict = OPPOSITE
    elif found.mean - STANDARD_ERRORS * found.error > -margin:
        verdict = SHOWN
    return Finding(claim, text_of(found, digits, factor, unit), verdict)


def reaches(claim: str, values: Array, target: float, margin: float, digits: int) -> Finding:
    """Judge that the mean over seeds is within a margin of a number known in advance."""
    found = over_seeds(values)
    measured = f"{plus_minus(found.mean, found.error, digits)}, theory {target:.{digits}f}"
    return Finding(claim, measured, SHOWN if abs(found.mean - target) < margin else NOT_SHOWN)


def below(claim: str, values: Array, bound: float) -> Finding:
    """Judge that the largest magnitude over seeds is below a bound."""
    largest = float(np.max(np.abs(values)))
    return Finding(claim, f"at most {largest:.2g}", SHOWN if largest < bound else NOT_SHOWN)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def findings_table(findings: Sequence[Finding]) -> list[str]:
    """Return the claims with their verdicts."""
    rows = [[each.claim, each.measured, f"**{each.verdict}**"] for each in findings]
    return markdown(["claim", "measured", "verdict"], rows)
