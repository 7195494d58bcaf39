"""What a study is, and how much of it is run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from studies.findings import Finding
from studies.results import Measured, Results


@dataclass(frozen=True)
class Settings:
    """How much is trained."""

    #: Each has its own parts, weights, batches and noise, the same for all that is compared.
    seeds: int = 12
    #: The share of the steps that is taken; below 1 only to see that all runs.
    share: float = 1.0

    def steps(self, count: int) -> int:
        """Return so many steps, or their share."""
        return max(8, round(count * self.share))


@dataclass(frozen=True)
class Study:
    """One page: how numbers come about, and what is made of them."""

    #: Of its files and its page.
    name: str
    #: Train and measure one seed.
    measure: Callable[[int, Settings], Measured]
    #: Lines of Markdown: the tables.
    tables: Callable[[Results], Sequence[str]]
    #: What the page claims, judged.
    findings: Callable[[Results], Sequence[Finding]]
    #: A figure of matplotlib.
    draw: Callable[[Results], Any]
    #: What the picture shows, for those who do not see it.
    alt: str
