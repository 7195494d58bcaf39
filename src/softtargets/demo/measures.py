"""How good and how calibrated predictions are. Logits have shape (rows, classes)."""

import math
from typing import NamedTuple

import numpy as np
from array_api_compat import array_namespace

import softtargets as st
from softtargets.typing import Array

NUM_BINS = 15
#: Temperatures outside these are not looked for.
COLDEST, HOTTEST = 0.01, 100.0


class Reliability(NamedTuple):
    """Of the predictions in each bin of confidence: how many, sum of confidences, how many hits."""

    count: Array
    confidence: Array
    hits: Array

    def calibration_error(self) -> float:
        """Return ECE = sum over bins of |hits - confidence| / rows."""
        return float(np.sum(np.abs(self.hits - self.confidence)) / np.sum(self.count))


def confidence_and_hits(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Return the probability of the most probable class of each row, and whether it is right."""
    best = np.max(logits, axis=-1) - st.SoftmaxState.of(logits, labels).logsumexp()
    return np.exp(best), np.argmax(logits, axis=-1) == labels


def bin_of(confidence: Array, num_bins: int = NUM_BINS) -> Array:
    """Return the bin of each confidence: of equal width, each with its upper edge, the first with
    both.
    """
    return np.searchsorted(np.linspace(0, 1, num_bins + 1)[1:-1], confidence, side="left")


def reliability(confidence: Array, hits: Array, num_bins: int = NUM_BINS) -> Reliability:
    """Return what is in each bin."""
    bins = bin_of(confidence, num_bins)
    sums = (np.bincount(bins, what, num_bins) for what in (np.ones(len(bins)), confidence, hits))
    return Reliability(*sums)


def noise_floor(confidence: Array, num_bins: int = NUM_BINS) -> float:
    """Return the ECE that a perfectly calibrated model with these confidences shows on average.

    Exact: hits of a bin follow a Poisson binomial distribution, built up row by row.
    """
    bins = bin_of(confidence, num_bins)
    total = 0.0
    for index in np.unique(bins):
        inside = confidence[bins == index]
        chance = np.zeros(len(inside) + 1)
        chance[0] = 1
        for p in inside:
            chance[1:] = chance[1:] * (1 - p) + chance[:-1] * p
            chance[0] *= 1 - p
        total += float(chance @ np.abs(np.arange(len(chance)) - np.sum(inside)))
    return total / len(confidence)


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
    bins: Reliability


def scores(logits: Array, labels: Array) -> Scores:
    """Return all measures."""
    confidence, hits = confidence_and_hits(logits, labels)
    bins = reliability(confidence, hits)
    return Scores(
        accuracy=float(np.mean(hits)),
        confidence=float(np.mean(confidence)),
        nll=float(st.cross_entropy(logits, labels)),
        ece=bins.calibration_error(),
        floor=noise_floor(confidence),
        bins=bins,
    )


class Temperature(NamedTuple):
    """A fitted temperature; ``bounded`` if the best one lies beyond the limits."""

    value: float
    bounded: bool


def fit_temperature(logits: Array, labels: Array) -> Temperature:
    """Return the T that minimises the negative log-likelihood of the logits divided by T.

    It is convex in t = 1 / T: slope mean(E z - z_label), curvature mean(Var z) under the softmax of
    t z. Newton's steps, kept between bounds that close in.
    """
    xp = array_namespace(logits)
    label_logit = float(xp.mean(st.Targets.from_labels(labels, logits.shape[-1]).dot(logits)))

    def derivatives(t: float) -> tuple[float, float]:
        state = st.SoftmaxState.of(t * logits, labels)
        slope = float(xp.mean(state.mean_logit())) / t - label_logit
        return slope, float(xp.mean(state.variance())) / t**2

    low, high = 1 / HOTTEST, 1 / COLDEST
    if derivatives(low)[0] >= 0:
        return Temperature(HOTTEST, bounded=True)
    if derivatives(high)[0] <= 0:
        return Temperature(COLDEST, bounded=True)
    t, change = 1.0, math.inf
    while abs(change) > 1e-6 * t:
        slope, curvature = derivatives(t)
        low, high = (low, t) if slope > 0 else (t, high)
        newton = t - slope / curvature if curvature > 0 else 0.0
        best = newton if low <= newton <= high else math.sqrt(low * high)
        t, change = best, best - t
    return Temperature(1 / t, bounded=False)


def logit_gap(logits: Array, labels: Array) -> float:
    """Return the mean of the label's logit minus the mean of the other logits."""
    return float(array_namespace(logits).mean(st.analysis.logit_gap(logits, labels)))
