"""Calibration errors of what is in bins: the formulas, wherever the bins come from.

With n events in a bin, c the mean of their probabilities and a that of their hits, N events in all,
and w = n / N:

    1:  sum w |c - a|        2:  sqrt(sum w (c - a)^2)        "max":  max |c - a|
"""

from typing import NamedTuple

from softtargets._array import errors
from softtargets.calibration.noise import folded_mean, mean_deviation
from softtargets.typing import Array, Namespace, Norm

NORMS = (1, 2, "max")


class Binned(NamedTuple):
    """Sums over the events of each bin, kinds of event x bins, as floats; ``bad`` is 0-d.

    ``gap`` = sum (confidence - hit), ``spread`` = sum confidence (1 - confidence).
    """

    xp: Namespace
    count: Array
    confidence: Array
    hits: Array
    gap: Array
    spread: Array
    bad: Array

    @property
    def total(self) -> Array:
        """The number of events of each kind, as a column."""
        return self.xp.sum(self.count, axis=1, keepdims=True)

    @property
    def size(self) -> Array:
        """The number of events of each bin, 1 where it has none."""
        return self.xp.where(self.count > 0, self.count, 1.0)

    def checked(self, value: Array) -> Array:
        """Return a value, or nan if it is of nothing, or of something that is no number."""
        xp = self.xp
        fine = (self.bad == 0) & xp.all(self.total > 0)
        return xp.where(fine, value, xp.nan)

    def share(self, value: Array) -> Array:
        """Return a sum over events as a mean over the events of each kind."""
        return value / self.xp.where(self.total > 0, self.total, 1.0)

    def mean(self, value: Array) -> Array:
        """Return the mean over all events of sums over the events of bins."""
        sums = self.xp.sum(value, axis=1, keepdims=True)  # exact where all are whole numbers
        return self.checked(self.xp.mean(self.share(sums)))


def check_norm(norm: object) -> Norm:
    """Return the norm, if it is one."""
    for known in NORMS:
        if norm == known and not isinstance(norm, bool):
            return known  # type: ignore[return-value]
    errors.bad_value("norm", "be one of 1, 2, 'max'", repr(norm))


def error(binned: Binned, norm: Norm, *, debias: bool = False) -> Array:
    """Return the calibration error; of several kinds of event (mean of error^norm)^(1/norm)."""
    xp = binned.xp
    if norm == "max":
        if debias:
            errors.bad_value("debias", "be False for norm 'max'", debias)
        return binned.checked(xp.max(xp.abs(binned.gap) / binned.size))
    if norm == 1:
        kinds = _absolute(binned, debias=debias)
        return binned.checked(xp.mean(xp.maximum(kinds, xp.zeros_like(kinds))))
    square = squared_error(binned, debias=debias)
    return xp.sqrt(xp.where(square < 0, 0.0, square))


def squared_error(binned: Binned, *, debias: bool) -> Array:
    """Return  sum w (c - a)^2,  less  w a (1 - a) / (n - 1)  for each bin if ``debias``.

    A bin of one event then counts as 0. The result may be negative.
    """
    xp = binned.xp
    square = (binned.gap / binned.size) ** 2
    if debias:
        several = binned.count > 1
        noise = _variance(binned) / xp.where(several, binned.count - 1, 1.0)
        square = xp.where(several, square - noise, 0.0)
    kinds = xp.sum(binned.share(binned.count) * square, axis=1)
    return binned.checked(xp.mean(kinds))


def _variance(binned: Binned) -> Array:
    share = binned.hits / binned.size
    return share * (1 - share)


def _absolute(binned: Binned, *, debias: bool) -> Array:
    """Return sum w |c - a| of each kind; debiased, less what noise of a would add to it."""
    xp = binned.xp
    plain = xp.abs(binned.gap)
    if debias:
        # The sum of n hits varies by n a (1 - a); with it the gap would be larger on average.
        noise = xp.sqrt(binned.count * _variance(binned))
        plain = 2 * plain - folded_mean(xp, binned.gap, noise)
    return xp.sum(binned.share(plain), axis=1)


def noise_floor(binned: Binned, norm: Norm) -> Array:
    """Return what the error would be on average if every probability were right.

    For norm 2 it is the root of the mean square.
    """
    xp = binned.xp
    if norm == "max":
        errors.bad_value("norm", "be 1 or 2 for a noise floor", repr(norm))
    if norm == 1:
        part = mean_deviation(xp, binned.count, binned.confidence, binned.spread)
        return binned.mean(part)
    part = binned.share(binned.spread / binned.size)
    return binned.checked(xp.sqrt(xp.mean(xp.sum(part, axis=1))))


def noise_deviation(binned: Binned) -> Array:
    """Return the standard deviation, for such predictions, of an ECE that only chance makes."""
    xp = binned.xp
    part = mean_deviation(xp, binned.count, binned.confidence, binned.spread)
    variance = xp.sum(binned.share(binned.share(binned.spread - part**2)), axis=1)
    kinds = xp.sqrt(xp.where(variance > 0, variance, 0.0))
    # Kinds of event of the same rows are not independent: no more than this.
    return binned.checked(xp.mean(kinds))


class Sides(NamedTuple):
    """The two sides of an error: ``over`` + ``under`` is the ECE, ``over`` - ``under`` is
    mean confidence - accuracy.
    """

    over: Array
    under: Array


def sides(binned: Binned) -> Sides:
    """Return the parts of the ECE of bins that are over-confident, and under-confident."""
    xp = binned.xp
    zero = xp.zeros_like(binned.gap)
    return Sides(*(binned.mean(xp.maximum(side, zero)) for side in (binned.gap, -binned.gap)))


def mean_gap(binned: Binned) -> Array:
    """Return mean confidence - accuracy, which is above 0 for over-confidence."""
    return binned.mean(binned.gap)
