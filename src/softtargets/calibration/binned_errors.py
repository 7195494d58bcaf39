"""Calibration errors of scores and targets in bins, in one call."""

from collections.abc import Callable
from typing import Any, Literal

from softtargets._array import errors
from softtargets._array.checks import check_count, check_option
from softtargets._array.read import check_sortable
from softtargets.calibration import measures, ordered
from softtargets.calibration.bins import CalibrationBins
from softtargets.calibration.events import all_events
from softtargets.calibration.inputs import SCOPES, Options, seen_from_host
from softtargets.constants import IGNORE_INDEX
from softtargets.typing import Array, Binning, Norm, Scope

BINNINGS = ("width", "mass")
NumBins = int | Literal["sweep"]


def calibration_error(
    scores: Array,
    targets: Any,
    *,
    from_logits: bool,
    num_bins: NumBins = 15,
    binning: Binning = "width",
    norm: Norm = 1,
    scope: Scope = "top",
    debias: bool = False,
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> Array:
    """Return how far probabilities are from the frequency of what they predict, bin by bin.

    With n events in a bin, c the mean of their probabilities, a the fraction that came true, and
    w = n / N,

        1 (ECE):  sum w abs(c - a)        2:  sqrt(sum w (c - a)^2)        "max":  max abs(c - a)

    A bin without events counts as 0. Of several kinds of event it is (mean error^norm)^(1/norm).

    Parameters
    ----------
    scores : array, real floating
        Logits or probabilities of K classes along ``axis``; for the scope "positive" one number per
        row, the logit or the probability of class 1.
    targets : array or Targets
        Integer labels of the shape of the rows, distributions of the shape of ``scores``, or
        :class:`softtargets.Targets`. A soft target is the part of a hit that its mass at the class
        is.
    from_logits : bool
        Whether scores are logits. It is never guessed from their values.
    num_bins : int or "sweep", default 15
        "sweep": the largest number, tried from 2 on, up to which no bin is less accurate than the
        one below it. It needs values that can be looked at.
    binning : {"width", "mass"}, default "width"
        "width": (j/M, (j + 1)/M], the first bin with its lower edge. "mass": as many events in
        every bin, one more at most in the first ones.
    norm : {1, 2, "max"}, default 1
        See above.
    scope : {"top", "classwise", "positive"}, default "top"
        The events: that the most probable class is right (of equal ones the first); that the class
        is k, for every k; that the label is 1.
    debias : bool, default False
        For norm 2 the square less sum w a (1 - a) / (n - 1), at least 0. For norm 1 less what noise
        of that size adds to abs(c - a). Labels are taken to be drawn, not soft.
    where : array of bool, optional
        One per row: rows that count. The others may hold anything.
    ignore_index : int, default -100
        Rows with this label do not count.
    axis : int, default -1
        The class axis.

    Returns
    -------
    array
        0-d, of the library and device of ``scores``, float64 where there is one. nan of no rows, or
        if a row holds nan or, where values are not looked at, a bad label.

    Raises
    ------
    TypeError
        If arguments come from different libraries or have a dtype that they cannot have; for bins
        of equal mass of Dask arrays.
    ValueError
        If shapes or options do not fit. Where values may be looked at: if a label is out of range,
        or probabilities are negative or do not sum to 1.

    Choosing
    --------
    An ECE of few rows is far from 0 even where all is right: print :func:`noise_floor` beside it.
    :class:`CalibrationBins` count rows that come in batches; :func:`smooth_calibration_error` has
    no bins to choose.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    >>> y = np.array([0, 1, 1, 1])
    >>> round(float(st.calibration.calibration_error(p, y, from_logits=False, num_bins=5)), 6)
    0.25

    References
    ----------
    C. Guo et al., "On Calibration of Modern Neural Networks", 2017, section 2 (ECE, MCE).
    K. Nguyen and B. O'Connor, "Posterior calibration and exploratory analysis for natural language
    processing models", 2015 (equal mass). A. Kumar et al., "Verified Uncertainty Calibration",
    2019 (debiased). R. Roelofs et al., "Mitigating Bias in Calibration Error Estimation", 2022
    (sweep).
    """
    options = Options(from_logits, scope, where, ignore_index, axis)
    wanted = measures.check_norm(norm)

    def formula(binned: measures.Binned) -> Array:
        return measures.error(binned, wanted, debias=debias)

    return _of_bins(scores, targets, options, num_bins, binning, formula)


def noise_floor(
    scores: Array,
    targets: Any,
    *,
    from_logits: bool,
    num_bins: NumBins = 15,
    binning: Binning = "width",
    norm: Norm = 1,
    scope: Scope = "top",
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> Array:
    """Return the calibration error that these scores would have on average if they were right.

    If every event came true with its probability c_i, the number S of hits in a bin would vary:

        norm 1:  sum E abs(S - sum c_i) / N        norm 2:  sqrt(sum Var S / (n N))

    E abs(S - sum c_i) is that of a binomial number, scaled to the variance sum c_i (1 - c_i).

    Parameters
    ----------
    scores, targets, from_logits, num_bins, binning, scope, where, ignore_index, axis
        As for :func:`calibration_error`. Of the targets only those matter that say that a row does
        not count.
    norm : {1, 2}, default 1
        For 2 it is the root of the mean square.

    Returns
    -------
    array
        0-d, as :func:`calibration_error`.

    Raises
    ------
    TypeError, ValueError
        As :func:`calibration_error`, and for the norm "max".

    Examples
    --------
    Of 200 rows, perfectly calibrated, with 15 bins:

    >>> import numpy as np
    >>> import softtargets as st
    >>> p = np.random.default_rng(0).uniform(0.5, 1, 200)
    >>> y = (np.random.default_rng(1).uniform(size=200) < p).astype(int)
    >>> words = {"from_logits": False, "scope": "positive"}
    >>> round(float(st.calibration.calibration_error(p, y, **words)), 3)
    0.084
    >>> round(float(st.calibration.noise_floor(p, y, **words)), 3)
    0.061

    References
    ----------
    J. Broecker and L. A. Smith, "Increasing the Reliability of Reliability Diagrams", 2007, for
    what calibrated forecasts show.
    """
    options = Options(from_logits, scope, where, ignore_index, axis)
    wanted = measures.check_norm(norm)

    def formula(binned: measures.Binned) -> Array:
        return measures.noise_floor(binned, wanted)

    return _of_bins(scores, targets, options, num_bins, binning, formula)


def _of_bins(
    scores: Array,
    targets: Any,
    options: Options,
    num_bins: NumBins,
    binning: Binning,
    formula: Callable[[measures.Binned], Array],
) -> Array:
    check_option(binning, "binning", BINNINGS)
    check_option(options.scope, "scope", SCOPES)
    sweeps = isinstance(num_bins, str) and num_bins == "sweep"
    count = 1 if sweeps else check_count(num_bins, "num_bins")
    if sweeps and options.scope == "classwise":
        errors.bad_value("num_bins", "be an int for scope 'classwise'", repr(num_bins))

    def of_width(scores: Array, targets: Any, options: Options) -> Array:
        bins = CalibrationBins(from_logits=options.from_logits, num_bins=count, scope=options.scope)
        _, _, where, ignore_index, axis = options[:5]
        bins.update(scores, targets, where=where, ignore_index=ignore_index, axis=axis)
        return formula(bins._binned())

    def in_order(scores: Array, targets: Any, options: Options) -> Array:
        check_sortable(scores, "scores")
        kinds = []
        for kind in ordered.in_order(all_events(scores, targets, options)):
            if sweeps:
                kinds.append(ordered.sweep(kind, binning))
            else:
                kinds.append(kind.between(ordered.bounds_of(kind, count, binning)))
        return formula(ordered.joined(kinds))

    by_order = sweeps or binning == "mass"
    return seen_from_host(in_order if by_order else of_width, scores, targets, options)
