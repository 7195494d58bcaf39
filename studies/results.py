"""Numbers of a study: one for each condition, measure and seed; kept in a CSV file."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from softtargets.demo.tables import Difference, over_seeds, plus_minus
from softtargets.typing import Array

#: Numbers of one seed by condition and measure.
Measured = dict[tuple[str, str], float]
#: Digits that are written.
DIGITS = 9


class Results:
    """Numbers of all seeds by condition and measure."""

    def __init__(self, table: Mapping[tuple[str, str], Sequence[float]]) -> None:
        self.table = {key: np.asarray(row, dtype=np.float64) for key, row in table.items()}

    @classmethod
    def of(cls, seeds: Sequence[Measured]) -> "Results":
        """Return the numbers of several seeds together."""
        return cls({key: [float(each[key]) for each in seeds] for key in seeds[0]})

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return len(next(iter(self.table.values())))

    def values(self, condition: str, measure: str) -> Array:
        """Return a measure, one number for each seed."""
        return self.table[condition, measure]

    def mean(self, condition: str, measure: str) -> float:
        """Return the mean over seeds."""
        return float(np.mean(self.values(condition, measure)))

    def cell(self, condition: str, measure: str, digits: int, factor: float = 1.0) -> str:
        """Return mean and standard error as text."""
        found = over_seeds(self.values(condition, measure) * factor)
        return plus_minus(found.mean, found.error, digits)

    def difference(self, measure: str, condition: str, base: str) -> Difference:
        """Return the paired difference of two conditions."""
        return over_seeds(self.values(condition, measure) - self.values(base, measure))

    def measures(self, condition: str, prefix: str) -> list[str]:
        """Return the measures of a condition that begin so, in the order of the file."""
        return [
            name for where, name in self.table if where == condition and name.startswith(prefix)
        ]

    def write(self, path: Path) -> None:
        """Write a line for each condition and measure."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["condition", "measure", *(f"seed {n}" for n in range(self.seeds))])
            for key, row in self.table.items():
                writer.writerow([*key, *(f"{value:.{DIGITS}g}" for value in row)])

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Return what was written."""
        with path.open(encoding="utf-8", newline="") as file:
            _, *lines = csv.reader(file)
        return cls({(line[0], line[1]): [float(text) for text in line[2:]] for line in lines})
