"""What the numbers say, in sentences."""

import math

from softtargets.calibration import CalibrationReport
from softtargets.report.fitted import Fitted
from softtargets.report.measure import LEVEL, Findings

#: An ECE so many deviations above its floor is more than chance.
DEVIATIONS = 3


def side(fitted: Fitted | str) -> str:
    """Return "under-smoothed", "over-smoothed", "neither" or "unknown"."""
    if isinstance(fitted, str) or fitted.bounded or math.isnan(fitted.low):
        return "unknown"
    if fitted.low > 1:
        return "under-smoothed"
    return "over-smoothed" if fitted.high < 1 else "neither"


def beyond_chance(report: CalibrationReport) -> bool:
    """Return whether the ECE is clearly above what chance alone shows."""
    return report.calibration_error > report.noise_floor + DEVIATIONS * report.noise_deviation


def sentences(found: Findings) -> list[str]:
    """Return what a reader should know."""
    return [smoothing(found), error(found.metrics), *change(found), *missing(found)]


def smoothing(found: Findings) -> str:
    """Say on which side the model is."""
    fitted = found.fitted
    if isinstance(fitted, str):
        return f"No temperature could be fitted: {fitted}."
    if fitted.bounded:
        what = "always right" if fitted.temperature < 1 else "no better than chance"
        return (
            f"No finite temperature is best: these predictions are as if {what}. "
            "Whether the model is over- or under-smoothed cannot be said."
        )
    best = (
        f"the best temperature is {fitted.temperature:.3f} "
        f"({LEVEL:.0%}: {fitted.low:.3f} to {fitted.high:.3f})"
    )
    return {
        "under-smoothed": f"The model looks under-smoothed, that is too sure: {best}, above 1. "
        "Divide logits by it, or train with more label smoothing.",
        "over-smoothed": f"The model looks over-smoothed, that is not sure enough: {best}, below "
        "1. Divide logits by it, or train with less label smoothing.",
        "neither": f"The model looks neither over- nor under-smoothed: {best}, which holds 1.",
        "unknown": f"Whether the model is over- or under-smoothed is not known: {best}.",
    }[side(fitted)]


def error(report: CalibrationReport) -> str:
    """Say whether there is any error of calibration to speak of."""
    floor = f"{report.noise_floor:.4f} +- {report.noise_deviation:.4f}"
    if beyond_chance(report):
        return (
            f"The ECE of {report.calibration_error:.4f} is more than chance: a calibrated model "
            f"with these confidences shows {floor}."
        )
    return (
        f"The ECE of {report.calibration_error:.4f} is what chance may show: a calibrated model "
        f"with these confidences has {floor}."
    )


def change(found: Findings) -> list[str]:
    """Say what the temperature changes."""
    fitted = found.fitted
    if isinstance(fitted, str):
        return []
    before, after = fitted.before, fitted.after
    rows = f"{before.num_rows:,} rows"
    if found.sampled < found.files.rows:
        rows += " drawn evenly from the file"
    how = (
        "each half with the temperature of the other"
        if fitted.crossed
        else "the rows that it was fitted to, so that this says too much"
    )
    return [
        f"With the temperature the ECE goes from {before.calibration_error:.4f} to "
        f"{after.calibration_error:.4f} and the negative log-likelihood from "
        f"{before.negative_log_likelihood:.4f} to {after.negative_log_likelihood:.4f} nats "
        f"({rows}, {how}). It changes no prediction."
    ]


def missing(found: Findings) -> list[str]:
    """Say how much smoothing the predictions lack."""
    choice = found.missing
    if choice is None:
        return []
    return [
        f"Its predictions are best with {choice.label_smoothing:.3g} ({choice.low:.3g} to "
        f"{choice.high:.3g}) of their probability spread evenly, as label smoothing does."
    ]
