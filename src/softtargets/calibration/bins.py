"""What counts of predictions by confidence say about calibration."""

from typing import Self

from softtargets._array import errors
from softtargets._array.checks import check_count
from softtargets._array.kinds import namespace
from softtargets._array.scalars import widest_floating
from softtargets.calibration import counters, measures
from softtargets.calibration.counted import Counted
from softtargets.calibration.curve import ReliabilityCurve, make_curve
from softtargets.calibration.murphy import BrierDecomposition, decompose
from softtargets.calibration.smooth import smooth_error
from softtargets.calibration.tally import CONFIDENCE, HITS, PRODUCT, SQUARE, Tally
from softtargets.typing import Array, Norm


class CalibrationBins(Counted):
    """How many predictions of each confidence there were, and how many of them came true.

    Bins have equal width, (j/M, (j + 1)/M], and the first has its lower edge too. The state is
    three arrays of integers, which are replaced and never written into: ``counts`` per bin, the
    exact ``sums`` of hits, confidences, their squares and products per bin, and the number ``bad``
    of rows with nan or a bad label; all None before the first update. They follow the logits.

    Sums of integers do not depend on their order, so rows may come in any batches, and counts of
    parts merge into the counts of all of them, bit for bit. Inside of compiled code make a new
    object and return its :meth:`state_dict`.

    Parameters
    ----------
    from_logits : bool
        Whether scores are logits, or else probabilities. It is never guessed.
    num_bins : int, default 15
        The number of bins M.
    scope : {"top", "classwise", "positive"}, default "top"
        "top": the largest probability of a row, and whether its class is right. "classwise": every
        probability of a row, in bins for each class. "positive": scores of class 1 alone, of the
        shape of the labels, and whether the label is 1.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    >>> bins = st.calibration.CalibrationBins(from_logits=False, num_bins=5)
    >>> bins.update(p[:3], np.array([0, 1, 1]))
    >>> bins.update(p[3:], np.array([1]))
    >>> round(float(bins.error()), 4), round(float(bins.noise_floor()), 4)
    (0.25, 0.3047)
    """

    def error(self, *, norm: Norm = 1, debias: bool = False) -> Array:
        """Return the calibration error of what was counted (see :func:`calibration_error`).

        Parameters
        ----------
        norm : {1, 2, "max"}, default 1
            1: ECE. 2: its root of mean squares. "max": the largest gap of any bin.
        debias : bool, default False
            Whether to take away what noise of the hits adds on average.

        Returns
        -------
        array
            0-d, float64 where there is one; nan of nothing, or if a row had nan or a bad label.

        Raises
        ------
        ValueError
            If an option is unknown, or nothing was counted yet.
        """
        return measures.error(self._binned(), measures.check_norm(norm), debias=debias)

    def squared_error(self, *, debias: bool = False) -> Array:
        """Return the square of the error of norm 2, which debiased may be below 0: as it is.

        Parameters
        ----------
        debias : bool, default False
            As for :meth:`error`.

        Returns
        -------
        array
            0-d.
        """
        return measures.squared_error(self._binned(), debias=debias)

    def noise_floor(self, *, norm: Norm = 1) -> Array:
        """Return the error that perfect calibration would show on average with so many rows.

        Parameters
        ----------
        norm : {1, 2}, default 1
            As for :meth:`error`; for 2 the root of the mean square.

        Returns
        -------
        array
            0-d.

        Raises
        ------
        ValueError
            If ``norm`` is "max", or nothing was counted yet.
        """
        return measures.noise_floor(self._binned(), measures.check_norm(norm))

    def noise_deviation(self) -> Array:
        """Return the standard deviation, around its noise floor, of the ECE of right
        probabilities.
        """
        return measures.noise_deviation(self._binned())

    def overconfidence(self) -> Array:
        """Return mean confidence - accuracy: above 0 for a model that is too sure of itself."""
        return measures.mean_gap(self._binned())

    def sides(self) -> tuple[Array, Array]:
        """Return the parts of the ECE that over-confident and under-confident bins make up."""
        return measures.sides(self._binned())

    def accuracy(self) -> Array:
        """Return the fraction of events that came true: of the scope "top" the accuracy."""
        binned = self._binned()
        return binned.mean(binned.hits)

    def mean_confidence(self) -> Array:
        """Return the mean of the probabilities of all events."""
        binned = self._binned()
        return binned.mean(binned.confidence)

    def smooth_error(self) -> Array:
        """Return smECE of what was counted (see :func:`smooth_calibration_error`).

        Events of a bin are taken to lie at their mean confidence, so let there be some hundreds of
        bins or more.
        """
        return smooth_error(self._binned())

    def brier(self) -> BrierDecomposition:
        """Return the mean of (confidence - hit)^2, and its parts (:func:`brier_decomposition`)."""
        counts, sums, _ = self._held()
        xp = namespace(counts)
        parts = sums[SQUARE, :, :] - 2 * sums[PRODUCT, :, :] + sums[HITS, :, :]
        squares = xp.reshape(counters.as_floats(xp, parts), (-1, self.num_bins))
        return decompose(self._binned(), squares)

    def reliability(self, *, level: float = 0.95) -> ReliabilityCurve:
        """Return the curve of accuracy over confidence, with intervals, in plain NumPy.

        This reads the counters: it waits for a device, and computes what is lazy.

        Parameters
        ----------
        level : number, default 0.95
            The probability of the intervals, in (0, 1).

        Returns
        -------
        ReliabilityCurve

        Raises
        ------
        TypeError
            Inside of compiled code.
        ValueError
            If nothing was counted yet.
        """
        return make_curve(self._binned(), level)

    def coarsen(self, num_bins: int) -> Self:
        """Return the same counts in fewer bins.

        Parameters
        ----------
        num_bins : int
            A divisor of the number of bins.

        Returns
        -------
        CalibrationBins

        Raises
        ------
        ValueError
            If it is no divisor.
        """
        count = check_count(num_bins, "num_bins")
        if self.num_bins % count:
            errors.bad_value("num_bins", f"divide {self.num_bins}", count)
        coarse = type(self)(from_logits=self.from_logits, num_bins=count, scope=self.scope)
        if self.tally is not None:
            counts, sums, bad = self.tally
            xp = namespace(counts)
            step = self.num_bins // count
            counts = xp.sum(xp.reshape(counts, (-1, step)), axis=1)
            sums = xp.sum(xp.reshape(sums, (4, 3, -1, step)), axis=-1)
            coarse.tally = Tally(counts, counters.carried(xp, sums), bad)
        return coarse

    def _held(self) -> Tally:
        if self.tally is None:
            errors.bad_value("bins", "hold something to measure", "no update")
        return self.tally

    def _binned(self) -> measures.Binned:
        """Return what is in the bins as floats."""
        counts, sums, bad = self._held()
        xp = namespace(counts)
        shape = (-1, self.num_bins)

        def floats(parts: Array) -> Array:
            return xp.reshape(counters.as_floats(xp, parts), shape)

        hits, confidence = sums[HITS, :, :], sums[CONFIDENCE, :, :]
        return measures.Binned(
            xp,
            count=xp.reshape(xp.astype(counts, widest_floating(xp)), shape),
            confidence=floats(confidence),
            hits=floats(hits),
            gap=floats(confidence - hits),
            spread=floats(confidence - sums[SQUARE, :, :]),
            bad=bad,
        )
