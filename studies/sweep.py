"""Networks with several amounts of smoothing and of noise, for two studies of calibration."""

import functools

import numpy as np

from softtargets.calibration import apply_temperature, fit_temperature
from softtargets.demo import data
from studies.measures import digits, keyed, logits_of, predictions, smoothed
from studies.results import Measured
from studies.study import Settings
from studies.training import cross_entropy, flipped, train

EPSILONS = (0.0, 0.05, 0.1, 0.2, 0.4)
NOISES = (0.0, 0.2, 0.4)
STEPS = 1500


def named(noise: float, label_smoothing: float) -> str:
    """Return the name of a condition."""
    return f"noise {noise:g}, {smoothed(label_smoothing)}"


@functools.lru_cache(maxsize=1)
def sweep(seed: int, settings: Settings) -> Measured:
    """Train and measure all conditions of one seed on clean test labels.

    Temperatures are fitted to clean labels of the validation set.
    """
    parts = data.split(digits(), seed)
    conditions = [(noise, e) for noise in NOISES for e in EPSILONS]
    labels = np.stack([flipped(parts.train.labels, noise, seed) for noise, _ in conditions])
    amounts = np.array([[e] for _, e in conditions], dtype=np.float32)
    steps = settings.steps(STEPS)
    loss = cross_entropy(labels, amounts)
    weights = train(parts.train.images, loss, seed, steps, len(conditions))[-1]
    held_out, test = (logits_of(weights, part.images) for part in parts[1:])
    found: Measured = {}
    for index, (noise, e) in enumerate(conditions):
        fitted = fit_temperature(held_out[index], parts.validation.labels)
        scaled = apply_temperature(test[index], fitted)
        name = named(noise, e)
        found |= keyed(name, predictions(test[index], parts.test.labels).items())
        found |= keyed(name, predictions(scaled, parts.test.labels).items(), "scaled ")
        found |= {(name, "temperature"): fitted.temperature}
    return found
