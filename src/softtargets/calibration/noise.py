"""What chance does to a calibration error: the floor that perfect calibration shows, and its bias.

Everything here is elementwise over bins, in the array library of the counters.
"""

import math

from softtargets.typing import Array, Namespace

#: Terms of the power series of erf below, enough for arguments up to 6, beyond which erf is 1.
_TERMS, _END = 140, 6.0


def erf(xp: Namespace, x: Array) -> Array:
    """Return  2/sqrt(pi) e^(-x^2) sum_n 2^n x^(2n+1) / (2n+1)!!,  which has no cancellation."""
    inside = xp.clip(x, -_END, _END)
    term, total = inside, inside
    for n in range(1, _TERMS):
        term = term * (2 * inside**2 / (2 * n + 1))
        total = total + term
    return (2 / math.sqrt(math.pi)) * xp.exp(-(inside**2)) * total


def folded_mean(xp: Namespace, mean: Array, deviation: Array) -> Array:
    """Return E|X| of a normal X with this mean and standard deviation, which may be 0."""
    safe = xp.where(deviation > 0, deviation, 1.0)
    z = mean / safe
    value = safe * math.sqrt(2 / math.pi) * xp.exp(-(z**2) / 2) + mean * erf(xp, z / math.sqrt(2))
    return xp.where(deviation > 0, value, xp.abs(mean))


def mean_deviation(xp: Namespace, count: Array, mean: Array, variance: Array) -> Array:
    """Return E|S - mean| of the number S of hits among ``count`` events that are calibrated.

    With probabilities c: mean = sum c, variance = sum c (1 - c). It is that of a binomial number
    with the same mean (de Moivre: 2 n p q b(floor(np); n - 1, p), with the probability b of so many
    hits), scaled to the variance; exact where all c of a bin are the same.
    """
    n = xp.where(count > 0, count, 1.0)
    p = xp.clip(mean / n, 0.0, 1.0)
    p = xp.where((p > 0) & (p < 1) & (variance > 0), p, 0.5)
    rest = n - 1
    hits = xp.minimum(xp.floor(n * p), rest)
    value = 2 * xp.sqrt(n * p * (1 - p) * variance) * _binomial(xp, hits, rest, p)
    return xp.where(variance > 0, value, 0.0)


def _binomial(xp: Namespace, x: Array, n: Array, p: Array) -> Array:
    """Return the probability of x hits in n trials, by Loader's saddle-point expansion."""
    y = n - x
    inner = (x > 0) & (y > 0)
    a, b, m = (xp.where(inner, value, 1.0) for value in (x, y, n))
    log = _stirling(xp, m) - _stirling(xp, a) - _stirling(xp, b)
    log = log - _deviance(xp, a, m * p) - _deviance(xp, b, m * (1 - p))
    value = xp.exp(log) * xp.sqrt(m / (2 * math.pi * a * b))
    edge = xp.exp(xp.where(x > 0, n * xp.log(p), n * xp.log1p(-p)))
    return xp.where(inner, value, edge)


def _stirling(xp: Namespace, n: Array) -> Array:
    """Return log n! - log(sqrt(2 pi n) (n/e)^n)."""
    total = xp.zeros_like(n)
    for j in range(8):
        m = n + j
        total = total + ((m + 0.5) * xp.log1p(1 / m) - 1)
    m = n + 8
    return total + (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * m**2)) / m**2) / m**2) / m


def _deviance(xp: Namespace, x: Array, mean: Array) -> Array:
    """Return  x log(x / mean) + mean - x  without cancellation near x = mean."""
    v = (x - mean) / (x + mean)
    near = xp.abs(v) < 0.1
    small = xp.where(near, v, 0.0)
    series = xp.zeros_like(v)
    for j in range(10, 0, -1):
        series = (series + 1 / (2 * j + 1)) * small**2
    close = (x - mean) * small + 2 * x * small * series
    return xp.where(near, close, x * xp.log(x / mean) + mean - x)
