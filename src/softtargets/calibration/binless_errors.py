"""What needs no bins: smECE, the Kolmogorov-Smirnov error, the risk at every coverage."""

from collections.abc import Callable
from typing import Any

from softtargets._array.checks import check_option
from softtargets._array.read import check_sortable
from softtargets.calibration import ordered
from softtargets.calibration.bins import CalibrationBins
from softtargets.calibration.events import all_events
from softtargets.calibration.inputs import SCOPES, Options, seen_from_host
from softtargets.calibration.smooth import CELLS
from softtargets.constants import IGNORE_INDEX
from softtargets.typing import Array, Scope


def smooth_calibration_error(
    scores: Array,
    targets: Any,
    *,
    from_logits: bool,
    scope: Scope = "top",
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> Array:
    """Return smECE, a calibration error without bins: the s that solves

        s = integral_0^1 abs((1/N) sum_i (c_i - h_i) K_s(t, c_i)) dt

    for confidences c, hits h, and the normal density K_s of deviation s, reflected at 0 and 1.

    Confidences are counted in 3840 cells, each of which stands at the mean of what is in it; that
    changes the result by less than 1e-4 of it where it is above 0.01. Below 0.003 it is resolved
    to 0.001 only. The mean over kinds of event.

    Parameters
    ----------
    scores, targets, from_logits, scope, where, ignore_index, axis
        As for :func:`calibration_error`.

    Returns
    -------
    array
        0-d, as :func:`calibration_error`.

    Raises
    ------
    TypeError, ValueError
        As :func:`calibration_error`.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> p = np.full(10, 0.7)
    >>> y = np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0])
    >>> error = st.calibration.smooth_calibration_error(p, y, from_logits=False, scope="positive")
    >>> round(float(error), 6)
    0.1

    References
    ----------
    J. Blasiok and P. Nakkiran, "Smooth ECE: Principled Reliability Diagrams via Kernel Smoothing",
    2023.
    """
    bins = CalibrationBins(from_logits=from_logits, num_bins=CELLS, scope=scope)
    bins.update(scores, targets, where=where, ignore_index=ignore_index, axis=axis)
    return bins.smooth_error()


def ks_calibration_error(
    scores: Array,
    targets: Any,
    *,
    from_logits: bool,
    scope: Scope = "top",
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> Array:
    """Return the Kolmogorov-Smirnov calibration error  max_i abs(sum_(j <= i) (c_j - h_j)) / N

    over events in the order of their confidence c, with hits h; between events of the same
    confidence it does not look. The largest over kinds of event.

    Parameters
    ----------
    scores, targets, from_logits, scope, where, ignore_index, axis
        As for :func:`calibration_error`.

    Returns
    -------
    array
        0-d, as :func:`calibration_error`.

    Raises
    ------
    TypeError, ValueError
        As :func:`calibration_error`; also for Dask arrays, which cannot be sorted.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> p, y = np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 1, 0, 1])
    >>> error = st.calibration.ks_calibration_error(p, y, from_logits=False, scope="positive")
    >>> round(float(error), 6)
    0.1

    References
    ----------
    K. Gupta et al., "Calibration of Neural Networks using Splines", 2021, equations 11 and 12.
    """
    options = Options(from_logits, scope, where, ignore_index, axis)
    return _of_order(scores, targets, options, ordered.kolmogorov_smirnov)


def risk_coverage_area(
    scores: Array,
    targets: Any,
    *,
    from_logits: bool,
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> Array:
    """Return AURC: the mean over k = 1, ..., N of the error rate of the k most confident rows.

    It says whether confidence tells right from wrong, not whether it is calibrated. Rows of the
    same confidence have no order: each counts with the mean of their hits.

    Parameters
    ----------
    scores, targets, from_logits, where, ignore_index, axis
        As for :func:`calibration_error` with the scope "top".

    Returns
    -------
    array
        0-d, as :func:`calibration_error`.

    Raises
    ------
    TypeError, ValueError
        As :func:`calibration_error`; also for Dask arrays, which cannot be sorted.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    >>> area = st.calibration.risk_coverage_area(p, np.array([0, 1, 1, 1]), from_logits=False)
    >>> round(float(area), 6)
    0.270833

    References
    ----------
    Y. Geifman and R. El-Yaniv, "Selective Classification for Deep Neural Networks", 2017.
    """
    options = Options(from_logits, "top", where, ignore_index, axis)
    return _of_order(scores, targets, options, ordered.risk_over_coverage)


def _of_order(
    scores: Array, targets: Any, options: Options, formula: Callable[[ordered.Ordered], Array]
) -> Array:
    check_option(options.scope, "scope", SCOPES)

    def measure(scores: Array, targets: Any, options: Options) -> Array:
        check_sortable(scores, "scores")
        kinds = [formula(kind) for kind in ordered.in_order(all_events(scores, targets, options))]
        return kinds[0] if len(kinds) == 1 else ordered.largest(kinds)

    return seen_from_host(measure, scores, targets, options)
