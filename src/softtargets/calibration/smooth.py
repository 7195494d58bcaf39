"""smECE: a calibration error without bins, smoothed as much as it is large."""

import math

import numpy as np

from softtargets._array.kinds import is_numpy
from softtargets._array.namespaces import beside
from softtargets.calibration.measures import Binned
from softtargets.typing import Array, Namespace

#: Frequencies that are kept, and points at which the smoothed gap is looked at. A width of 0.003
#: leaves 1e-16 of the highest frequency.
FREQUENCIES, POINTS = 1024, 512
#: Frequencies k are j + FINE i: the trigonometric functions of sums of angles need few of either.
FINE = 32
#: Bins in which events are counted beforehand; every usual number of bins divides it.
CELLS = 3840
#: Halvings of [0, 1] in the search for the fixed point.
HALVINGS = 36


def smooth_error(binned: Binned) -> Array:
    """Return the s with  s = integral_0^1 |(1/N) sum_i (c_i - h_i) K_s(t, c_i)| dt.

    K_s is the normal density of deviation s, reflected at 0 and 1. Its cosine series

        K_s(t, c) = 1 + 2 sum_k exp(-(pi k s)^2 / 2) cos(pi k t) cos(pi k c)

    needs the gaps' cosine coefficients once, whatever s is. Of several kinds of event the mean.
    """
    xp = binned.xp
    place = binned.confidence / binned.size
    gap = binned.share(binned.gap)
    found = [_fixed_point(binned, place[j, :], gap[j, :]) for j in range(gap.shape[0])]
    return binned.checked(xp.mean(xp.stack(found)))


def _fixed_point(binned: Binned, place: Array, gap: Array) -> Array:
    xp, dtype = binned.xp, gap.dtype
    if is_numpy(gap):  # elsewhere a size that depends on values would have to be waited for
        place, gap = place[gap != 0], gap[gap != 0]
    k = xp.arange(1, FREQUENCIES + 1, dtype=dtype, **beside(gap)) * math.pi
    t = xp.arange(POINTS + 1, dtype=dtype, **beside(gap)) / POINTS
    mean = xp.sum(gap)
    coefficients = 2 * _coefficients(xp, place, gap)
    waves, sines = _waves(xp, t)
    sines = sines / k[None, :]

    def error(width: Array) -> Array:
        # Beyond k s = 3 nothing is left that rounding would not take: 5e-20 of a coefficient.
        count = FREQUENCIES if not is_numpy(gap) else min(FREQUENCIES, math.ceil(3 / width))
        damped = coefficients[:count] * xp.exp(-((width * k[:count]) ** 2) / 2)
        signed = mean + _products(xp, waves[:, :count], damped[None, :])[:, 0]
        height = xp.abs(signed)
        area = mean * t + _products(xp, sines[:, :count], damped[None, :])[:, 0]  # from 0 to t
        left, right = height[:-1], height[1:]
        total = xp.where(left + right > 0, left + right, 1.0)
        # Where the sign changes, both triangles count.
        crossing = (left**2 + right**2) / (2 * POINTS * total)
        pieces = xp.abs(area[1:] - area[:-1])
        return xp.sum(xp.where(signed[:-1] * signed[1:] < 0, crossing, pieces))

    low, high = xp.zeros_like(mean), xp.ones_like(mean)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = error(middle) > middle
        low, high = xp.where(above, middle, low), xp.where(above, high, middle)
    return (low + high) / 2


def _products(xp: Namespace, left: Array, right: Array) -> Array:
    """Return the inner products of every row of ``left`` with every row of ``right``."""
    if is_numpy(left):
        # A product of matrices would wake the threads of BLAS, and wait for them, at each of many.
        return np.vecdot(left[:, None, :], right[None, :, :])
    return xp.matmul(left, xp.matrix_transpose(right))


def _angles(xp: Namespace, x: Array) -> tuple[Array, Array, Array, Array]:
    """Return cosine and sine of  pi FINE i x,  and of  pi j x: a column for each x, a row for each
    i = 0, 1, ... and j = 1, ..., FINE.
    """
    places = xp.arange(FINE, dtype=x.dtype, **beside(x))[:, None] * math.pi
    coarse = (FINE * places[: FREQUENCIES // FINE, :]) * x[None, :]
    fine = (places + math.pi) * x[None, :]
    return xp.cos(coarse), xp.sin(coarse), xp.cos(fine), xp.sin(fine)


def _coefficients(xp: Namespace, x: Array, weight: Array) -> Array:
    """Return  sum_n weight_n cos(pi k x_n)  for k = 1, ..., FREQUENCIES."""
    cos_coarse, sin_coarse, cos_fine, sin_fine = _angles(xp, x)
    cosines = _products(xp, cos_coarse * weight[None, :], cos_fine)
    sines = _products(xp, sin_coarse * weight[None, :], sin_fine)
    return xp.reshape(cosines - sines, (-1,))


def _waves(xp: Namespace, x: Array) -> tuple[Array, Array]:
    """Return cosine and sine of  pi k x: a row for each x, a column for each k = 1, ...,
    FREQUENCIES.
    """
    cos_coarse, sin_coarse, cos_fine, sin_fine = map(xp.matrix_transpose, _angles(xp, x))
    cos_coarse, sin_coarse = cos_coarse[:, :, None], sin_coarse[:, :, None]
    cos_fine, sin_fine = cos_fine[:, None, :], sin_fine[:, None, :]
    shape = (x.shape[0], FREQUENCIES)
    cosine = xp.reshape(cos_coarse * cos_fine - sin_coarse * sin_fine, shape)
    return cosine, xp.reshape(sin_coarse * cos_fine + cos_coarse * sin_fine, shape)
