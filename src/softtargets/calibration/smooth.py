"""smECE: a calibration error without bins, smoothed as much as it is large."""

import math

from softtargets._array.kinds import is_numpy
from softtargets._array.namespaces import beside
from softtargets.calibration.measures import Binned
from softtargets.typing import Array

#: Frequencies that are kept, and points at which the smoothed gap is looked at. A width of 0.003
#: leaves 1e-16 of the highest frequency.
FREQUENCIES, POINTS = 1024, 512
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
    coefficients = 2 * xp.matmul(xp.cos(k[:, None] * place[None, :]), gap)
    mean = xp.sum(gap)
    waves, sines = xp.cos(t[:, None] * k[None, :]), xp.sin(t[:, None] * k[None, :]) / k[None, :]

    def error(width: Array) -> Array:
        damped = coefficients * xp.exp(-((width * k) ** 2) / 2)
        signed = mean + xp.matmul(waves, damped)
        height = xp.abs(signed)
        area = mean * t + xp.matmul(sines, damped)  # the integral from 0
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
