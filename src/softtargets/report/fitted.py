"""The temperature of a sample, how sure it is, and what it changes on rows it was not fitted to."""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

import softtargets as st
from softtargets.calibration import CalibrationReport, CalibrationSummary
from softtargets.calibration.inputs import Options
from softtargets.calibration.slopes import relative_spread
from softtargets.report.files import Numbers

#: Entries that are looked at together.
ENTRIES = 2**20


class Fitted(NamedTuple):
    """A temperature with its interval (nan if unknown), and reports of the sample with and without.

    Each half of the rows has the temperature that was fitted to the other half, so that ``after``
    is of rows that were not fitted to; ``crossed`` is False where there are too few for that.
    """

    temperature: float
    low: float
    high: float
    bounded: bool
    crossed: bool
    before: CalibrationReport
    after: CalibrationReport


def fit(
    x: Numbers,
    labels: Numbers,
    ignore_index: int,
    metrics: CalibrationReport | None,
    num_bins: int,
    level: float,
) -> Fitted | str:
    """Return what was found for logits, or why there is no temperature.

    ``metrics`` are those of the same rows if they are known already.
    """
    try:
        whole = st.calibration.fit_temperature(x, labels, ignore_index=ignore_index)
    except ValueError as error:
        return str(error)
    halves = [slice(0, None, 2), slice(1, None, 2)]
    try:
        found = [
            st.calibration.fit_temperature(x[half], labels[half], ignore_index=ignore_index)
            for half in halves
        ]
        crossed = True
    except ValueError:
        found, crossed = [whole, whole], False
    before, after = (
        CalibrationSummary(from_logits=True, num_bins=num_bins) for _ in ("before", "after")
    )
    step = max(2, ENTRIES // x.shape[1])
    for half, other in zip(halves, reversed(found), strict=True):
        some, of_some = x[half], labels[half]
        for start in range(0, len(some), step):
            part = some[start : start + step].astype(np.promote_types(x.dtype, np.float32))
            of_part = of_some[start : start + step]
            if metrics is None:
                before.update(part, of_part, ignore_index=ignore_index)
            after.update(part / other.temperature, of_part, ignore_index=ignore_index)
    low, high = interval(x, labels, whole.temperature, ignore_index, level)
    return Fitted(
        whole.temperature,
        low,
        high,
        whole.bounded,
        crossed,
        metrics or before.report(level=level),
        after.report(level=level),
    )


def interval(
    x: Numbers, labels: Numbers, temperature: float, ignore_index: int, level: float
) -> tuple[float, float]:
    """Return the ends of an interval for the temperature, from the spread of the rows."""
    options = Options(True, "top", None, ignore_index, -1, "logits")
    error = relative_spread(x, labels, options, 1 / temperature)
    if math.isnan(error):
        return math.nan, math.nan
    # In log T, so that both ends are above 0.
    factor = math.exp(min(NormalDist().inv_cdf((1 + level) / 2) * error, 700.0))
    return temperature / factor, temperature * factor
