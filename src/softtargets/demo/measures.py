"""How good and how calibrated predictions are. Logits have shape (rows, classes)."""

from typing import NamedTuple

from array_api_compat import array_namespace

import softtargets as st
from softtargets.typing import Array


class Scores(NamedTuple):
    """Measures of the predictions for one set of images."""

    accuracy: float
    #: The mean confidence.
    confidence: float
    #: Negative log-likelihood, in nats.
    nll: float
    #: Calibration error, and what it would be on average if calibration were perfect.
    ece: float
    floor: float
    bins: st.calibration.CalibrationBins


def scores(logits: Array, labels: Array) -> Scores:
    """Return all measures."""
    bins = st.calibration.CalibrationBins(from_logits=True)
    bins.update(logits, labels)
    return Scores(
        accuracy=float(bins.accuracy()),
        confidence=float(bins.mean_confidence()),
        nll=float(st.cross_entropy(logits, labels)),
        ece=float(bins.error()),
        floor=float(bins.noise_floor()),
        bins=bins,
    )


def logit_gap(logits: Array, labels: Array) -> float:
    """Return the mean of the label's logit minus the mean of the other logits."""
    return float(array_namespace(logits).mean(st.analysis.logit_gap(logits, labels)))
