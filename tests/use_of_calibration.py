"""What tests of calibration share, and a call of all of it for what it asks of a library."""

import numpy as np
import pytest

from softtargets import calibration
from tests.backends import Variant

X = np.array([[3.0, 1.0, -2.0], [0.0, 0.5, 4.0], [-1.5, 2.5, 2.0], [0.25, 0.0, 0.125]])


def once_on_jax(backend: Variant) -> None:
    """Leave out a test in double precision that has run in single: compiling it takes seconds."""
    if backend.name == "jax-x64":
        pytest.skip("jax-x64: has run in single precision; others test its float64")


def use_all_of_calibration(backend: Variant) -> None:
    """Use every function, and every way to count."""
    x, labels = backend.asarray(X, "float32"), backend.asarray([0, 2, 1, 1])
    calibration.calibration_report(x, labels, from_logits=True)
    for scope in ("top", "classwise"):
        for binning in ("width", "mass"):
            calibration.calibration_error(x, labels, from_logits=True, scope=scope, binning=binning)
    calibration.noise_floor(x, labels, from_logits=True)
    for function in (
        calibration.ks_calibration_error,
        calibration.risk_coverage_area,
        calibration.smooth_calibration_error,
        calibration.brier_score,
        calibration.brier_decomposition,
        calibration.negative_log_likelihood,
    ):
        function(x, labels, from_logits=True)
    scores, answers = backend.asarray([0.25, 0.75], "float32"), backend.asarray([0, 1])
    calibration.binary_brier_score(scores, answers, from_logits=False)
    calibration.apply_temperature(x, calibration.fit_temperature(x, labels).temperature)
    fit = calibration.fit_vector_scaling(x, labels)
    calibration.apply_vector_scaling(x, fit)
    q = backend.asarray([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1]], "float32")
    calibration.unsmooth(q, 0.1)
    bins = calibration.CalibrationBins(from_logits=True)
    bins = bins.update(x, labels) or bins
    bins.reliability()
