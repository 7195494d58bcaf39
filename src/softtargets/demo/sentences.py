"""What was seen, in sentences. Each is made from the numbers, and says so if nothing was seen."""

import math
from collections.abc import Sequence

import numpy as np

from softtargets.analysis import optimal_logit_gap
from softtargets.demo.agreement import Curve
from softtargets.demo.data import NUM_CLASSES
from softtargets.demo.study import Study
from softtargets.demo.tables import (
    FEWEST_SEEDS,
    Difference,
    difference,
    digits_text,
    plus_minus,
)


def focus(study: Study) -> int:
    """Return the row of which to speak: the amount nearest to 0.1 among those after the first."""
    distance = [abs(epsilon - 0.1) for epsilon in study.epsilons[1:]]
    return 1 + int(np.argmin(distance))


def mean(study: Study, name: str, row: int) -> float:
    """Return the mean of a measure over seeds."""
    return float(np.mean(study.values(name)[row]))


def change(found: Difference, unit: str, factor: float, digits: int) -> str:
    """Return a difference in brackets."""
    return f"({plus_minus(found.mean * factor, found.error * factor, digits, '+')} {unit})"


def effect(found: Difference) -> str:
    """Return "raised", "lowered", or that no clear difference was seen."""
    if not found.clear:
        return "made no clear difference to"
    return "raised" if found.mean > 0 else "lowered"


def headline(study: Study, row: int) -> str:
    """Say in one sentence what smoothing did, and whether that is what is commonly said."""
    if study.seeds < FEWEST_SEEDS:
        return f"In short: with fewer than {FEWEST_SEEDS} seeds no difference is called clear."
    error = difference(study, "raw.ece", row)
    if not error.clear:
        verdict = "neither supports nor contradicts"
    else:
        verdict = "goes against" if error.mean > 0 else "is in line with"
    return (
        f"In short: smoothing {study.epsilons[row]:g} instead of {study.epsilons[0]:g} "
        f"{effect(difference(study, 'raw.accuracy', row))} the accuracy and {effect(error)} the "
        "calibration error of networks as trained; once each has a temperature it "
        f"{effect(difference(study, 'scaled.nll', row))} their negative log-likelihood. "
        f"That {verdict} the common account, by which smoothing improves calibration."
    )


def accuracy(study: Study, row: int) -> str:
    """Say how accuracy changed."""
    found = difference(study, "raw.accuracy", row)
    first, second = (100 * mean(study, "raw.accuracy", index) for index in (0, row))
    return f"Accuracy: from {first:.1f} to {second:.1f} % {change(found, 'points', 100, 1)}."


def calibration(study: Study, row: int) -> str:
    """Say how calibration changed, as trained."""
    found = difference(study, "raw.ece", row)
    first, second = (100 * mean(study, "raw.ece", index) for index in (0, row))
    sure, right = (100 * mean(study, f"raw.{name}", row) for name in ("confidence", "accuracy"))
    how = "underconfident" if sure < right else "overconfident"
    return (
        f"Calibration error as trained: from {first:.1f} to {second:.1f} % "
        f"{change(found, 'points', 100, 1)}; it would be "
        f"{100 * mean(study, 'raw.floor', row):.1f} % if calibration were perfect. The smoothed "
        f"networks are {how}: {sure:.0f} % sure and {right:.0f} % right."
    )


def temperature(study: Study, row: int) -> str:
    """Say what is left after one temperature has been fitted."""
    found = difference(study, "scaled.nll", row)
    first, second = (mean(study, "scaled.nll", index) for index in (0, row))
    names = ("raw.ece", "scaled.ece", "scaled.floor")
    before, after, floor = (100 * mean(study, name, row) for name in names)
    values = [f"{mean(study, 'temperature', index):.2f}" for index in (0, row)]
    return (
        f"One temperature, fitted on validation images ({values[1]} with smoothing "
        f"{study.epsilons[row]:g}, {values[0]} with {study.epsilons[0]:g}), brings that error from "
        f"{before:.1f} to {after:.1f} %; it would be {floor:.1f} % if calibration were perfect. "
        f"Negative log-likelihood with temperature: from {first:.3f} to {second:.3f} nats "
        f"{change(found, 'nats', 1, 3)}."
    )


def gap(study: Study) -> str:
    """Say how near the logit gaps came to their closed forms."""
    exact = np.array([optimal_logit_gap(epsilon, NUM_CLASSES) for epsilon in study.epsilons])
    reached = np.mean(study.values("gap"), axis=1)
    parts = []
    # Smoothing 1 has the closed form 0, of which nothing can be a percentage.
    finite = np.isfinite(exact) & (exact > 0)
    if np.any(finite):
        off = np.max(np.abs(reached[finite] / exact[finite] - 1))
        parts.append(f"within {100 * off:.1f} % of the closed form for every smoothing above 0")
    if np.any(np.isinf(exact)):
        curve = np.mean(study.values("gaps")[np.argmax(exact)], axis=0)
        half = int(np.searchsorted(study.moments, study.moments[-1] / 2))
        trend = "still growing" if curve[-1] > curve[half] else "not growing"
        parts.append(
            f"without smoothing, where the best gap is infinite, {curve[half]:.1f} after "
            f"{study.moments[half]} steps and {curve[-1]:.1f} after {study.moments[-1]}, {trend}"
        )
    if np.any(exact == 0):
        parts.append(f"with smoothing 1, where the best gap is 0, {reached[-1]:.1f}")
    return f"Logit gap on the training set: {'; '.join(parts)}."


def libraries(curves: Sequence[Curve]) -> str:
    """Say how far the libraries agree."""
    wide, narrow, *others = curves
    if not others:
        return "Libraries: NumPy was alone, so there was nothing to compare."
    names = list(dict.fromkeys(curve.title for curve in others))
    parts = []
    for reference in (wide, narrow):
        digits = [curve.digits(reference) for curve in others if curve.dtype == reference.dtype]
        if digits:
            least = min(digits)
            text = "all digits" if math.isinf(least) else f"at least {digits_text(least)} digits"
            parts.append(f"{text} in {reference.dtype}")
    return (
        f"Libraries: over {len(wide.losses)} steps the losses on {enumeration(names)} agree with "
        f"those on {wide.title} in {' and '.join(parts)}."
    )


def enumeration(names: Sequence[str]) -> str:
    """Return "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def all_sentences(study: Study, curves: Sequence[Curve]) -> list[str]:
    """Return everything that can be said of these numbers."""
    found = []
    if len(study.epsilons) > 1:
        row = focus(study)
        found += [make(study, row) for make in (headline, accuracy, calibration, temperature)]
    return [*found, gap(study), libraries(curves)]
