"""Everything about the calibration of one set of predictions, to be printed."""

from typing import Any, NamedTuple, Self

import numpy as np

from softtargets._array import errors
from softtargets._array.checks import check_count
from softtargets._array.read import check_concrete, read
from softtargets.calibration.bins import CalibrationBins
from softtargets.calibration.curve import ReliabilityCurve, wilson
from softtargets.calibration.inputs import Options
from softtargets.calibration.smooth import CELLS
from softtargets.calibration.tally import tally
from softtargets.constants import IGNORE_INDEX
from softtargets.typing import Array


class CalibrationReport(NamedTuple):
    """What was measured, as plain numbers; ``print`` shows them with the names of their units.

    ``noise_floor`` and ``noise_deviation`` are mean and standard deviation of the ECE that the same
    predictions show where every probability is right. ``over`` + ``under`` is the ECE.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> p, y = np.array([[0.75, 0.25]] * 8), np.array([0, 1] * 4)
    >>> report = st.calibration.calibration_report(p, y, from_logits=False)
    >>> report.accuracy, report.mean_confidence, report.calibration_error
    (0.5, 0.75, 0.25)
    """

    num_rows: int
    num_bins: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    mean_confidence: float
    overconfidence: float
    calibration_error: float
    noise_floor: float
    noise_deviation: float
    over: float
    under: float
    root_mean_square_error: float
    debiased_root_mean_square_error: float
    largest_error: float
    smooth_error: float
    brier_score: float
    negative_log_likelihood: float
    curve: ReliabilityCurve

    def __str__(self) -> str:
        low, high = self.accuracy_interval
        level = f"{self.curve.level:.0%}"
        side = "over" if self.overconfidence >= 0 else "under"
        rows = (
            ("accuracy", self.accuracy, f"{level}: {low:.4f} to {high:.4f}"),
            (
                "mean confidence",
                self.mean_confidence,
                f"{side}-confident by {abs(self.overconfidence):.4f}",
            ),
            (
                f"ECE, {self.num_bins} bins",
                self.calibration_error,
                f"if calibrated: {self.noise_floor:.4f} +- {self.noise_deviation:.4f}",
            ),
            ("  too confident", self.over, ""),
            ("  not confident enough", self.under, ""),
            (
                "root mean square",
                self.root_mean_square_error,
                f"debiased: {self.debiased_root_mean_square_error:.4f}",
            ),
            ("largest gap of a bin", self.largest_error, ""),
            ("smECE", self.smooth_error, "no bins"),
            ("Brier score", self.brier_score, "sum over classes, 0 to 2"),
            ("log-likelihood", self.negative_log_likelihood, "negative, nats per row"),
        )
        lines = [f"calibration of {self.num_rows:,} rows"]
        lines += [f"{name:<22}{value:>9.4f}  {note}".rstrip() for name, value, note in rows]
        return "\n".join([*lines, "", str(self.curve)])


class CalibrationSummary:
    """Rows counted in batches for a :class:`CalibrationReport`, with O(1) memory.

    Parameters
    ----------
    from_logits : bool
        Whether scores are logits, or else probabilities. It is never guessed.
    num_bins : int, default 15
        The number of bins of the ECE.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> rng = np.random.default_rng(0)
    >>> x, y = 2 * rng.normal(size=(1000, 3)), rng.integers(0, 3, 1000)
    >>> summary = st.calibration.CalibrationSummary(from_logits=True)
    >>> for start in range(0, 1000, 250):
    ...     summary.update(x[start : start + 250], y[start : start + 250])
    >>> report = summary.report()
    >>> report.num_rows, report.num_bins
    (1000, 15)
    >>> bool(report.calibration_error > report.noise_floor + 3 * report.noise_deviation)
    True
    """

    def __init__(self, *, from_logits: bool, num_bins: int = 15) -> None:
        self.num_bins = check_count(num_bins, "num_bins")
        # So fine that they serve smECE, and that bins of the ECE are made of whole ones.
        cells = max(1, round(CELLS / self.num_bins)) * self.num_bins
        self.bins = CalibrationBins(from_logits=from_logits, num_bins=cells)
        self.proper: tuple[Array, ...] = ()

    def update(
        self,
        scores: Array,
        targets: Any,
        *,
        where: Array | None = None,
        ignore_index: int = IGNORE_INDEX,
        axis: int = -1,
    ) -> None:
        """Count a batch of any number of rows, in one pass over its logits.

        Parameters
        ----------
        scores, targets, where, ignore_index, axis
            As for :meth:`CalibrationBins.update`.

        Returns
        -------
        None
        """
        bins = self.bins
        options = Options(bins.from_logits, "top", where, ignore_index, axis, proper=True)
        counted, proper = tally(scores, targets, options, bins.num_bins)
        bins._add(counted)
        self.proper = _added(self.proper, proper)

    def merge(self, other: Self) -> Self:
        """Return the summary of the rows of both.

        Parameters
        ----------
        other : CalibrationSummary
            Of other rows, with as many bins.

        Returns
        -------
        CalibrationSummary

        Raises
        ------
        TypeError
            If ``other`` is not a :class:`CalibrationSummary`.
        """
        if not isinstance(other, CalibrationSummary):
            errors.bad_type("other", "be a CalibrationSummary", type(other).__name__)
        merged = type(self)(from_logits=self.bins.from_logits, num_bins=self.num_bins)
        merged.bins = self.bins.merge(other.bins)
        merged.proper = _added(self.proper, other.proper)
        return merged

    def report(self, *, level: float = 0.95) -> CalibrationReport:
        """Return what the rows counted so far show.

        This reads the counters: it waits for a device, and computes what is lazy.

        Parameters
        ----------
        level : number, default 0.95
            The probability of the intervals, in (0, 1).

        Returns
        -------
        CalibrationReport

        Raises
        ------
        TypeError
            Inside of compiled code.
        ValueError
            If nothing was counted yet.
        """
        fine = self.bins
        coarse = fine.coarsen(self.num_bins)
        curve = coarse.reliability(level=level)
        rows = int(np.sum(curve.counts))
        over, under = coarse.sides()
        accuracy = _number(coarse.accuracy())
        interval = wilson(np.asarray(float(rows)), np.asarray(accuracy), level)
        nll, brier = (_number(total) / rows if rows else np.nan for total in self.proper)
        return CalibrationReport(
            num_rows=rows,
            num_bins=self.num_bins,
            accuracy=accuracy,
            accuracy_interval=(float(interval[0]), float(interval[1])),
            mean_confidence=_number(coarse.mean_confidence()),
            overconfidence=_number(coarse.overconfidence()),
            calibration_error=_number(coarse.error()),
            noise_floor=_number(coarse.noise_floor()),
            noise_deviation=_number(coarse.noise_deviation()),
            over=_number(over),
            under=_number(under),
            root_mean_square_error=_number(coarse.error(norm=2)),
            debiased_root_mean_square_error=_number(coarse.error(norm=2, debias=True)),
            largest_error=_number(coarse.error(norm="max")),
            smooth_error=_number(fine.smooth_error()),
            brier_score=brier,
            negative_log_likelihood=nll,
            curve=curve,
        )


def calibration_report(
    logits: Array,
    targets: Any,
    *,
    from_logits: bool = True,
    num_bins: int = 15,
    level: float = 0.95,
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> CalibrationReport:
    """Return what predictions show about their calibration, each number with what chance does.

    Errors are those of the largest probability of a row (the scope "top" of
    :func:`calibration_error`), in bins of equal width.

    Parameters
    ----------
    logits : array, real floating
        Logits of K classes along ``axis``.
    targets, where, ignore_index, axis
        As for :func:`calibration_error`.
    from_logits : bool, default True
        False if ``logits`` are probabilities.
    num_bins : int, default 15
        The number of bins of the ECE.
    level : number, default 0.95
        The probability of the intervals, in (0, 1).

    Returns
    -------
    CalibrationReport
        Plain numbers and NumPy arrays, so this waits for a device, and computes Dask arrays.

    Raises
    ------
    TypeError, ValueError
        As :func:`calibration_error`; inside of compiled code, where there are no numbers yet.

    Choosing
    --------
    :class:`CalibrationSummary` gives the same of rows that come in batches.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 2000)
    >>> x = 2 * (2 * np.eye(3)[y] + rng.normal(size=(2000, 3)))
    >>> report = st.calibration.calibration_report(x, y)
    >>> for line in str(report).splitlines()[:5]:
    ...     print(line)
    calibration of 2,000 rows
    accuracy                 0.8625  95%: 0.8467 to 0.8769
    mean confidence          0.8690  over-confident by 0.0065
    ECE, 15 bins             0.0204  if calibrated: 0.0163 +- 0.0041
      too confident          0.0135
    """
    check_concrete(logits, "logits")
    summary = CalibrationSummary(from_logits=from_logits, num_bins=num_bins)
    summary.update(logits, targets, where=where, ignore_index=ignore_index, axis=axis)
    return summary.report(level=level)


def _added(first: tuple[Array, ...], second: tuple[Array, ...]) -> tuple[Array, ...]:
    if not first or not second:
        return first or second
    return tuple(a + b for a, b in zip(first, second, strict=True))


def _number(value: Array) -> float:
    return float(read(value, "bins"))
