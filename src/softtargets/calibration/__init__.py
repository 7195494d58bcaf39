"""Whether probabilities mean what they say: errors, scores, temperature."""

from softtargets.calibration.binless_errors import (
    ks_calibration_error,
    risk_coverage_area,
    smooth_calibration_error,
)
from softtargets.calibration.binned_errors import calibration_error, noise_floor
from softtargets.calibration.bins import CalibrationBins
from softtargets.calibration.curve import ReliabilityCurve
from softtargets.calibration.murphy import BrierDecomposition
from softtargets.calibration.report import (
    CalibrationReport,
    CalibrationSummary,
    calibration_report,
)
from softtargets.calibration.scores import (
    binary_brier_score,
    brier_decomposition,
    brier_score,
    negative_log_likelihood,
)
from softtargets.calibration.temperature import TemperatureFit, apply_temperature, fit_temperature
from softtargets.calibration.unsmoothing import unsmooth
from softtargets.calibration.vector import VectorFit, apply_vector_scaling, fit_vector_scaling

__all__ = [
    "BrierDecomposition",
    "CalibrationBins",
    "CalibrationReport",
    "CalibrationSummary",
    "ReliabilityCurve",
    "TemperatureFit",
    "VectorFit",
    "apply_temperature",
    "apply_vector_scaling",
    "binary_brier_score",
    "brier_decomposition",
    "brier_score",
    "calibration_error",
    "calibration_report",
    "fit_temperature",
    "fit_vector_scaling",
    "ks_calibration_error",
    "negative_log_likelihood",
    "noise_floor",
    "risk_coverage_area",
    "smooth_calibration_error",
    "unsmooth",
]
