"""What is measured of networks; every formula is the library's."""

import functools
from collections.abc import Iterable, Sequence

import numpy as np

import softtargets as st
from softtargets.demo import data, network
from softtargets.demo.measures import scores
from softtargets.typing import Array
from studies.results import Measured


def logits_of(weights: Array, images: Array, sizes: Sequence[int] = network.SIZES) -> Array:
    """Return the logits of each network in float64, (networks, images, classes)."""
    return network.forward(weights, images, sizes)[-1].astype(np.float64)


@functools.cache
def digits() -> data.Part:
    """Return all digits in float32, in which most networks are trained."""
    found = data.load_digits()
    return data.Part(found.images.astype(np.float32), found.labels)


def predictions(logits: Array, labels: Array) -> dict[str, float]:
    """Return how good and how calibrated predictions are."""
    found = scores(logits, labels)
    pair = (logits, labels)
    by_mass = st.calibration.calibration_error(*pair, from_logits=True, binning="mass")
    smooth = st.calibration.smooth_calibration_error(*pair, from_logits=True)
    area = st.calibration.risk_coverage_area(*pair, from_logits=True)
    return {
        "accuracy": found.accuracy,
        "confidence": found.confidence,
        "nll": found.nll,
        "ece": found.ece,
        "floor": found.floor,
        "ece by mass": float(by_mass),
        "smooth error": float(smooth),
        "aurc": float(area),
    }


def accuracy(logits: Array, labels: Array) -> float:
    """Return the fraction of labels that is predicted."""
    return float(st.analysis.loss_report(logits, labels).accuracy)


def keyed(condition: str, numbers: Iterable[tuple[str, float]], prefix: str = "") -> Measured:
    """Return numbers as those of a condition."""
    return {(condition, prefix + name): float(value) for name, value in numbers}


def smoothed(label_smoothing: float) -> str:
    """Return the name of the condition with so much smoothing."""
    return f"e = {label_smoothing:g}"
