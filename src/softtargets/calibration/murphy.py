"""The parts of a Brier score of events: how calibrated, and how much they tell apart."""

from typing import NamedTuple

from softtargets.calibration.measures import Binned
from softtargets.typing import Array


class BrierDecomposition(NamedTuple):
    """score = reliability - resolution + uncertainty + residual, each a 0-d array.

    ``residual`` is what bins cannot see: the variance of probabilities within them, less twice
    their covariance with the hits. It is 0 where all probabilities of a bin are the same.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> bins = st.calibration.CalibrationBins(from_logits=False, scope="positive")
    >>> bins.update(np.array([0.9, 0.9, 0.2, 0.2]), np.array([1, 1, 0, 1]))
    >>> [round(float(part), 4) for part in bins.brier()[:4]]
    [0.175, 0.05, 0.0625, 0.1875]
    """

    score: Array
    reliability: Array
    resolution: Array
    uncertainty: Array
    residual: Array


def decompose(binned: Binned, squares: Array) -> BrierDecomposition:
    """Return the parts, of sums of (confidence - hit)^2 by bin; means over kinds of event."""
    xp = binned.xp
    weight = binned.share(binned.count)
    base = binned.share(xp.sum(binned.hits, axis=1, keepdims=True))
    score = xp.sum(binned.share(squares), axis=1)
    reliability = xp.sum(weight * (binned.gap / binned.size) ** 2, axis=1)
    resolution = xp.sum(weight * (binned.hits / binned.size - base) ** 2, axis=1)
    uncertainty = (base * (1 - base))[:, 0]
    residual = score - reliability + resolution - uncertainty
    parts = (score, reliability, resolution, uncertainty, residual)
    return BrierDecomposition(*(binned.checked(xp.mean(part)) for part in parts))
