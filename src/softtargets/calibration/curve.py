"""The reliability curve: accuracy over confidence, with what chance explains."""

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from softtargets._array import errors
from softtargets._array.namespaces import is_number
from softtargets._array.read import read
from softtargets.calibration.measures import Binned

#: Numbers of hits that are looked at, in standard deviations from the mean.
_REACH = 12

Numbers = np.ndarray[Any, Any]


class ReliabilityCurve(NamedTuple):
    """One entry per bin (kinds of event x bins if there are several), in NumPy; nan in empty bins.

    ``accuracy_low`` and ``accuracy_high`` are Wilson's interval of the accuracy that the hits leave
    possible. ``consistent_low`` and ``consistent_high`` hold the accuracies that a model with right
    probabilities shows: one outside is evidence against it.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> bins = st.calibration.CalibrationBins(from_logits=False, num_bins=2, scope="positive")
    >>> bins.update(np.array([0.4, 0.4, 0.9, 0.9, 0.9]), np.array([0, 1, 1, 1, 1]))
    >>> print(bins.reliability())
               bin      count confidence accuracy   95% of accuracy   if calibrated
       0.000-0.500          2     0.4000   0.5000    0.095 to 0.905  0.000 to 1.000
       0.500-1.000          3     0.9000   1.0000    0.439 to 1.000  0.333 to 1.000
    """

    edges: Numbers
    counts: Numbers
    confidence: Numbers
    accuracy: Numbers
    accuracy_low: Numbers
    accuracy_high: Numbers
    consistent_low: Numbers
    consistent_high: Numbers
    level: float

    def __str__(self) -> str:
        lines = [
            f"{'bin':>14} {'count':>10} {'confidence':>10} {'accuracy':>8} "
            f"{f'{self.level:.0%} of accuracy':>17} {'if calibrated':>15}"
        ]
        shape = (-1, len(self.edges) - 1)
        columns = [np.reshape(column, shape) for column in self[1:8]]
        for kind in range(columns[0].shape[0]):
            if columns[0].shape[0] > 1:
                lines.append(f"class {kind}")
            for j in range(shape[1]):
                count, c, a, *bounds = (column[kind, j] for column in columns)
                if count:
                    low, high, least, most = (f"{bound:.3f}" for bound in bounds)
                    edges = f"{self.edges[j]:.3f}-{self.edges[j + 1]:.3f}"
                    flag = "" if bounds[2] <= a <= bounds[3] else " *"
                    lines.append(
                        f"{edges:>14} {count:>10.0f} {c:>10.4f} {a:>8.4f} "
                        f"{f'{low} to {high}':>17} {f'{least} to {most}':>15}{flag}"
                    )
        return "\n".join(lines)


def make_curve(binned: Binned, level: float) -> ReliabilityCurve:
    """Return the curve of what is in bins."""
    if not is_number(level) or not 0 < level < 1:
        errors.bad_value("level", "be a number in (0, 1)", repr(level))
    count, sums, hits = (
        read(values, "bins") for values in (binned.count, binned.confidence, binned.hits)
    )
    with np.errstate(invalid="ignore"):
        confidence, accuracy = sums / count, hits / count
    consistent = np.full((2, *count.shape), np.nan)
    for place in zip(*np.nonzero(count), strict=True):
        consistent[:, *place] = hit_range(int(count[place]), float(confidence[place]), level)
    interval = wilson(count, accuracy, level)
    kinds, num_bins = count.shape
    one = 0 if kinds == 1 else slice(None)
    return ReliabilityCurve(
        edges=np.arange(num_bins + 1) / num_bins,
        counts=count[one],
        confidence=confidence[one],
        accuracy=accuracy[one],
        accuracy_low=interval[0][one],
        accuracy_high=interval[1][one],
        consistent_low=consistent[0][one],
        consistent_high=consistent[1][one],
        level=float(level),
    )


def wilson(count: Numbers, share: Numbers, level: float) -> tuple[Numbers, Numbers]:
    """Return the ends of Wilson's interval of a probability that showed as ``share`` of trials."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
        half = np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
        half = half * z / (1 + z**2 / count)
    # Rounding alone could put an end on the wrong side of a share of 0 or 1.
    return np.clip(middle - half, 0.0, share), np.clip(middle + half, share, 1.0)


def hit_range(count: int, p: float, level: float) -> tuple[float, float]:
    """Return the range of the share of hits in which ``level`` of binomial samples lie.

    At most (1 - level) / 2 of them are on either side of it.
    """
    if not 0 < p < 1:
        return p, p
    reach = _REACH * np.sqrt(count * p * (1 - p)) + _REACH
    first = max(0, int(count * p - reach))
    last = min(count, int(count * p + reach) + 1)
    k = np.arange(first, last, dtype=np.float64)
    # From the ratios of neighbours, without factorials.
    steps = np.log((count - k) / (k + 1)) + (np.log(p) - np.log1p(-p))
    log = np.concatenate([[0.0], np.cumsum(steps)])
    chance = np.exp(log - log.max())
    below = np.cumsum(chance / chance.sum())
    tail = (1 - level) / 2
    low, high = np.searchsorted(below, [tail, 1 - tail], side="left")
    return (first + int(low)) / count, (first + min(int(high), len(below) - 1)) / count
