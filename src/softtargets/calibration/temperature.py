"""One temperature for all logits, fitted to the negative log-likelihood."""

import math
from typing import Any, NamedTuple

from softtargets._array import errors
from softtargets._array.checks import check_penalty
from softtargets._array.dtypes import check_floating, dtype_name
from softtargets._array.namespaces import is_number, namespace_of
from softtargets._array.read import check_concrete
from softtargets.calibration.inputs import Options
from softtargets.calibration.slopes import Slope, slope_at
from softtargets.constants import IGNORE_INDEX
from softtargets.typing import Amount, Array

#: Steps of Newton's method or bisection; a dozen are many.
STEPS = 100
#: Steps in one direction before the bound there is looked at, if they do not shrink: without an
#: optimum they never end.
PATIENCE = 4


class TemperatureFit(NamedTuple):
    """A fitted temperature, the negative log-likelihood at 1 and at it (nats per row).

    ``bounded``: there is no finite optimum, or it lies outside of the bounds; the temperature is
    then the nearer bound, or 1 where it changes nothing. ``passes`` is how often logits were read.

    Examples
    --------
    Predictions that are always right are the better the colder they are:

    >>> import numpy as np
    >>> import softtargets as st
    >>> print(st.calibration.fit_temperature(2 * np.eye(3), np.arange(3)))
    temperature 0.01 (at a bound: no optimum within), negative log-likelihood 0.239545 -> 0.000000
    """

    temperature: float
    bounded: bool
    nll_before: float
    nll_after: float
    passes: int

    def __str__(self) -> str:
        flag = " (at a bound: no optimum within)" if self.bounded else ""
        return (
            f"temperature {self.temperature:.6g}{flag}, negative log-likelihood "
            f"{self.nll_before:.6f} -> {self.nll_after:.6f}"
        )


def fit_temperature(
    logits: Array,
    targets: Any,
    *,
    bounds: tuple[float, float] = (0.01, 100.0),
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> TemperatureFit:
    """Return the T that minimises the mean cross-entropy between targets and softmax(x / T).

    It is convex in t = 1 / T, with derivatives that one pass over the logits gives:

        f'(t) = mean(E_p x - <q, x>)        f''(t) = mean Var_p x        p = softmax(t x)

    Newton's steps in t, kept between bounds that close in. At the optimum the mean logit under the
    model is that of the targets.

    Parameters
    ----------
    logits : array, real floating
        Of K classes along ``axis``, for rows that the model was not trained on.
    targets : array or Targets
        Integer labels, distributions of the shape of ``logits``, or :class:`softtargets.Targets`.
    bounds : pair of numbers, default (0.01, 100)
        The lowest and the highest temperature.
    where : array of bool, optional
        One per row: rows that count.
    ignore_index : int, default -100
        Rows with this label do not count.
    axis : int, default -1
        The class axis.

    Returns
    -------
    TemperatureFit
        Plain numbers. This waits for a device, and computes Dask arrays once per pass.

    Raises
    ------
    TypeError
        If arguments do not fit, or inside of compiled code, where there are no numbers yet.
    ValueError
        If shapes or bounds do not fit, no row counts, or the loss of a row is infinite or nan.

    Choosing
    --------
    After label smoothing a model is often under-confident and T below 1. :func:`unsmooth` undoes
    the smoothing itself, which no temperature does exactly. :func:`fit_vector_scaling` has two
    numbers per class.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x = np.array([[4.0, 1, 0], [2, 3, -1], [0.5, 0, 3], [3, 2.5, 0], [1, 2, 0]])
    >>> y = np.array([0, 1, 2, 1, 0])
    >>> fit = st.calibration.fit_temperature(x, y)
    >>> round(fit.temperature, 6), fit.bounded
    (0.984722, False)
    >>> print(fit)
    temperature 0.984722, negative log-likelihood 0.585704 -> 0.585646

    References
    ----------
    C. Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2.
    """
    low, high = _check_bounds(bounds)
    options = Options(True, "top", where, ignore_index, axis, "logits")
    namespace_of(logits, "logits")
    check_concrete(logits, "logits")
    tolerance = 1e-6 if dtype_name(logits) == "float64" else 1e-4
    passes = 0

    def at(t: float) -> Slope:
        nonlocal passes
        passes += 1
        found = slope_at(logits, targets, options, t)
        if not all(map(math.isfinite, found)):
            errors.bad_value("logits", "give every row that counts a finite loss", found.value)
        return found

    start = at(1.0)
    if start.first == 0 == start.second:
        return TemperatureFit(1.0, True, start.value, start.value, passes)
    t = min(max(1.0, 1 / high), 1 / low)
    here = start if t == 1 else at(t)
    search = _Search(1 / high, 1 / low)
    step = t
    for _ in range(STEPS):
        found = search.next(t, here)
        if found is None:
            return TemperatureFit(1 / t, True, start.value, here.value, passes)
        step = found
        if abs(step - t) <= tolerance * t:
            break
        t, here = step, at(step)
    # As far as the parabola at t tells, which is beyond rounding.
    value = here.value + here.first * (step - t) / 2
    return TemperatureFit(1 / step, False, start.value, value, passes)


class _Search:
    """An interval that holds the optimum, if its ends were looked at."""

    def __init__(self, low: float, high: float) -> None:
        self.ends = [low, high]
        self.looked_at = [False, False]
        self.steps = [0, 0]
        self.length = math.inf

    def next(self, t: float, here: Slope) -> float | None:
        """Return where to look after ``t``; None if the optimum lies beyond it, a bound."""
        side = 1 if here.first > 0 else 0  # t is an upper end where the slope is positive
        beyond = 1 - side
        if t == self.ends[beyond] and (here.first != 0 or here.second == 0):
            return None
        self.ends[side], self.looked_at[side] = t, True
        self.steps[side] += 1
        step = t - here.first / here.second if here.second > 0 else self.ends[beyond]
        before, self.length = self.length, abs(step - t)
        endless = self.steps[side] >= PATIENCE and self.length > before / 2
        if endless and not self.looked_at[beyond]:
            return self.ends[beyond]
        low, high = self.ends
        if low < step < high or step == t:
            return step
        return math.sqrt(low * high) if self.looked_at[beyond] else self.ends[beyond]


def _check_bounds(bounds: Any) -> tuple[float, float]:
    pair = tuple(bounds) if isinstance(bounds, tuple | list) else ()
    if len(pair) != 2 or not all(map(is_number, pair)) or not 0 < pair[0] < pair[1] < math.inf:
        errors.bad_value("bounds", "be two numbers, 0 < low < high < inf", repr(bounds))
    return float(pair[0]), float(pair[1])


def apply_temperature(logits: Array, temperature: Amount | TemperatureFit) -> Array:
    """Return logits / T, of which the softmax has that temperature.

    Parameters
    ----------
    logits : array, real floating
        Of any shape.
    temperature : number, 0-d array or TemperatureFit
        The T, finite and above 0.

    Returns
    -------
    array
        Of the shape, dtype, library and device of ``logits``.

    Raises
    ------
    TypeError
        If ``logits`` are not floats, or the temperature is of no such kind.
    ValueError
        If it is not above 0, where it may be looked at.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> st.calibration.apply_temperature(np.array([[1.0, 3.0]]), 2.0)
    array([[0.5, 1.5]])

    References
    ----------
    C. Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2.
    """
    xp = namespace_of(logits, "logits")
    check_floating(logits, "logits")
    if isinstance(temperature, TemperatureFit):
        temperature = temperature.temperature
    value = check_penalty(xp, temperature, "temperature", logits, positive=True)
    if is_number(value):
        return logits / value
    return xp.astype(logits / xp.astype(value, logits.dtype, copy=False), logits.dtype, copy=False)
