"""Networks that are trained to the end, for the studies of the gap, the floor and the clusters."""

import functools
from dataclasses import dataclass

import numpy as np

import softtargets as st
from softtargets.analysis import LossReport
from softtargets.demo import data
from softtargets.typing import Array
from studies.measures import digits, logits_of
from studies.study import Settings
from studies.training import cross_entropy, train

EPSILONS = (0.0, 0.05, 0.1, 0.3)
TRAIN, STEPS = 600, 8000
#: When the geometry is looked at.
LOOKS = (500, 2000, 8000)


@dataclass(frozen=True)
class Converged:
    """The networks of one seed: one for each amount of smoothing."""

    parts: data.Split
    #: Numbers of steps, and the weights after each.
    moments: list[int]
    weights: list[Array]
    #: For each moment and network, on the training set.
    reports: list[list[LossReport]]


def moments(settings: Settings) -> list[int]:
    """Return about 25 numbers of steps, evenly spaced on a logarithmic axis."""
    steps = settings.steps(STEPS)
    spaced = np.geomspace(1, steps, 25).round()
    looks = [settings.steps(count) for count in LOOKS]
    return sorted({*(int(step) for step in spaced), *looks})


@functools.lru_cache(maxsize=1)
def converged(seed: int, settings: Settings) -> Converged:
    """Train the networks of one seed."""
    parts = data.split(digits(), seed, TRAIN, 0)
    amounts = np.array(EPSILONS, dtype=np.float32)[:, None]
    loss = cross_entropy(parts.train.labels, amounts)
    when = moments(settings)
    steps = settings.steps(STEPS)
    weights = train(parts.train.images, loss, seed, steps, len(EPSILONS), moments=when)
    reports = [
        [
            st.analysis.loss_report(logits, parts.train.labels, label_smoothing=e)
            for e, logits in zip(EPSILONS, logits_of(each, parts.train.images), strict=True)
        ]
        for each in weights
    ]
    return Converged(parts, when, weights, reports)
