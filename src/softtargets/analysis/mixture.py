"""The share of a prior in a mixture with given predictions, by maximum likelihood."""

import math
from collections.abc import Callable
from typing import NamedTuple

from softtargets._array.dtypes import dtype_name
from softtargets.typing import Array, Namespace

#: Twice what the log-likelihood loses at the ends of an interval of 95 %: chi squared, one degree.
QUANTILE = 3.841458820694124
#: No probability is taken for less than this, the square of whose inverse is finite.
LEAST = {"float64": 1e-140, "float32": 1e-17}


class Fit(NamedTuple):
    """The share, its interval, and the mean negative log-likelihood there."""

    share: float
    low: float
    high: float
    loss: float


class Mixture(NamedTuple):
    """Rows with the probabilities ``p`` and ``u`` that two predictions give to what happened.

    ``kept`` is 1 for rows that count and 0 for the others.
    """

    xp: Namespace
    p: Array
    u: Array
    kept: Array

    def mass(self, share: float) -> Array:
        """Return what the mixture gives to what happened."""
        return self.xp.maximum(self.p + share * (self.u - self.p), LEAST[dtype_name(self.p)])

    def log_likelihood(self, share: float) -> float:
        """Return the sum of the logarithms of that."""
        return float(self.xp.sum(self.kept * self.xp.log(self.mass(share))))

    def slope(self, share: float) -> tuple[float, float]:
        """Return the first derivative of the log-likelihood, and minus the second."""
        ratio = self.kept * (self.u - self.p) / self.mass(share)
        return float(self.xp.sum(ratio)), float(self.xp.sum(ratio * ratio))

    def fit(self) -> Fit:
        """Return the best share, with an interval of 95 % by the likelihood ratio."""
        best = self._best()
        top = self.log_likelihood(best)

        def worse(share: float) -> bool:
            return 2 * (top - self.log_likelihood(share)) > QUANTILE

        low = _boundary(worse, 0.0, best) if worse(0.0) else 0.0
        high = _boundary(worse, 1.0, best) if worse(1.0) else 1.0
        rows = float(self.xp.sum(self.kept))
        return Fit(best, low, high, -top / rows)

    def _best(self) -> float:
        """Return the root of the falling slope: Newton's steps between bounds that close in."""
        first = self.slope(0.0)[0]
        if not first > 0:
            return first if math.isnan(first) else 0.0
        if self.slope(1.0)[0] >= 0:
            return 1.0
        low, high, share, change = 0.0, 1.0, 0.125, 1.0
        while change > 1e-9:
            slope, curvature = self.slope(share)
            low, high = (share, high) if slope > 0 else (low, share)
            step = share + slope / curvature
            best = step if low <= step <= high else (low + high) / 2
            share, change = best, abs(best - share)
        return share


def _boundary(worse: Callable[[float], bool], outside: float, inside: float) -> float:
    """Return where ``worse`` changes, by halving what lies between."""
    for _ in range(24):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if worse(middle) else (outside, middle)
    return inside
