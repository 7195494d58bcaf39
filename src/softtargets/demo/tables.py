"""What was measured, as plain tables of at most 80 columns."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from softtargets.analysis import optimal_logit_gap
from softtargets.demo.agreement import Curve
from softtargets.demo.data import NUM_CLASSES
from softtargets.demo.study import Study
from softtargets.typing import Array

#: A difference is called clear beyond this many standard errors, with at least so many seeds.
STANDARD_ERRORS, FEWEST_SEEDS = 3, 5


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Return lines with aligned columns, the first ``left`` of them to the left."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        aligned = [
            cell.ljust(width) if position < left else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(aligned).rstrip())
    return [lines[0], "-" * max(len(line) for line in lines), *lines[1:]]


class Difference(NamedTuple):
    """The mean over seeds of paired differences, and its standard error (nan for one seed)."""

    mean: float
    error: float
    seeds: int

    @property
    def clear(self) -> bool:
        """Whether the difference is far beyond what seeds do."""
        return self.seeds >= FEWEST_SEEDS and abs(self.mean) > STANDARD_ERRORS * self.error


def spread(values: Array) -> float:
    """Return the standard deviation over seeds, nan for one seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def difference(study: Study, name: str, row: int) -> Difference:
    """Compare a measure of one amount of smoothing with that of the first, seed by seed."""
    values = study.values(name)
    return over_seeds(values[row] - values[0])


def over_seeds(differences: Array) -> Difference:
    """Return mean and standard error of differences, one for each seed."""
    count = len(differences)
    return Difference(float(np.mean(differences)), spread(differences) / count**0.5, count)


def plus_minus(mean: float, error: float, digits: int, sign: str = "") -> str:
    """Return "0.123 ± 0.004", or "0.123" where the error is not known."""
    text = f"{mean:{sign}.{digits}f}"
    return text if math.isnan(error) else f"{text} ± {error:.{digits}f}"


def per_amount(study: Study, columns: dict[str, Callable[[int], str]]) -> list[str]:
    """Return a table with one row for each amount of smoothing."""
    header = ["smoothing", *columns]
    rows = [
        [f"{epsilon:g}", *(cell(row) for cell in columns.values())]
        for row, epsilon in enumerate(study.epsilons)
    ]
    return table(header, rows)


def measured(study: Study, name: str, digits: int, factor: float = 1) -> Callable[[int], str]:
    """Return a column: mean and standard deviation over seeds."""
    values = study.values(name) * factor
    return lambda row: plus_minus(float(np.mean(values[row])), spread(values[row]), digits)


def compared(study: Study, name: str, digits: int, factor: float = 1) -> Callable[[int], str]:
    """Return a column: paired difference to the first row with its standard error."""

    def cell(row: int) -> str:
        found = difference(study, name, row)
        text = plus_minus(found.mean * factor, found.error * factor, digits, "+")
        return f"{text} {'*' if found.clear else ' '}" if row else "0  "

    return cell


def as_trained(study: Study) -> list[str]:
    """Return the table of the test set before any temperature."""
    columns = {
        "accuracy %": measured(study, "raw.accuracy", 1, 100),
        "confidence %": measured(study, "raw.confidence", 1, 100),
        "NLL nats": measured(study, "raw.nll", 3),
        "ECE %": measured(study, "raw.ece", 1, 100),
        "floor %": lambda row: f"{np.mean(study.values('raw.floor')[row]) * 100:.1f}",
    }
    return per_amount(study, columns)


def with_temperature(study: Study) -> list[str]:
    """Return the table of the test set with one temperature per network."""
    columns = {
        "temperature": measured(study, "temperature", 2),
        "confidence %": measured(study, "scaled.confidence", 1, 100),
        "NLL nats": measured(study, "scaled.nll", 3),
        "ECE %": measured(study, "scaled.ece", 1, 100),
        "floor %": lambda row: f"{np.mean(study.values('scaled.floor')[row]) * 100:.1f}",
    }
    return per_amount(study, columns)


def differences(study: Study) -> list[str]:
    """Return the table of paired differences to the first amount."""
    columns = {
        "accuracy %": compared(study, "raw.accuracy", 1, 100),
        "ECE %": compared(study, "raw.ece", 1, 100),
        "ECE % with T": compared(study, "scaled.ece", 1, 100),
        "NLL with T": compared(study, "scaled.nll", 3),
    }
    return per_amount(study, columns)


def gaps(study: Study) -> list[str]:
    """Return the table of logit gaps."""
    exact = [optimal_logit_gap(epsilon, NUM_CLASSES) for epsilon in study.epsilons]
    mean = [float(np.mean(row)) for row in study.values("gap")]
    columns = {
        "measured": measured(study, "gap", 3),
        "log(1 + K (1-e) / e)": lambda row: (
            f"{exact[row]:.3f}" if math.isfinite(exact[row]) else "infinite"
        ),
        "off by": lambda row: f"{mean[row] - exact[row]:+.3f}" if math.isfinite(exact[row]) else "",
    }
    return per_amount(study, columns)


def digits_text(digits: float) -> str:
    """Return a number of digits, rounded down to one decimal."""
    return "all" if math.isinf(digits) else f"{math.floor(digits * 10) / 10:.1f}"


def digits_cell(curve: Curve, other: Curve) -> str:
    """Return the digits in which two curves agree; float64 is not compared with float32."""
    if curve is other:
        return "-"
    pointless = (curve.dtype, other.dtype) == ("float64", "float32")
    return "" if pointless else digits_text(curve.digits(other))


def agreement(curves: Sequence[Curve]) -> list[str]:
    """Return the table of learning curves; the first two are those of NumPy, float64 and float32.

    Float32 is also compared with float64, to tell what the numbers cost from what the library does.
    """
    rows = []
    for curve in curves:
        decimals = 12 if curve.dtype == "float64" else 6
        rows.append(
            [
                *(curve.title, curve.version, curve.dtype),
                *(digits_cell(curve, other) for other in curves[:2]),
                *(f"{np.mean(curve.losses[-1]):.{decimals}f}", f"{curve.seconds:.1f}"),
            ]
        )
    header = ["library", "version", "numbers", "float64", "float32", "last loss", "seconds"]
    return table(header, rows, left=3)
