"""Counters of predictions by confidence: how they grow, merge, and are kept."""

from collections.abc import Mapping
from typing import Any, Self

from softtargets._array import errors
from softtargets._array.checks import check_count, check_option, check_shape
from softtargets._array.kinds import namespace
from softtargets._array.namespaces import check_follows, namespace_of
from softtargets.calibration import counters
from softtargets.calibration.inputs import SCOPES, Options, check_from_logits
from softtargets.calibration.tally import Tally, tally
from softtargets.constants import IGNORE_INDEX
from softtargets.typing import Array, Scope


class Counted:
    """Counters by bin, None before anything was counted."""

    def __init__(self, *, from_logits: bool, num_bins: int = 15, scope: Scope = "top") -> None:
        self.from_logits = check_from_logits(from_logits)
        self.num_bins = check_count(num_bins, "num_bins")
        check_option(scope, "scope", SCOPES)
        self.scope = scope
        self.tally: Tally | None = None

    def update(
        self,
        scores: Array,
        targets: Any,
        *,
        where: Array | None = None,
        ignore_index: int = IGNORE_INDEX,
        axis: int = -1,
    ) -> None:
        """Count a batch of any number of rows.

        Of logits this takes one pass with one exponential each; NumPy arrays, memory-mapped files
        among them, are read a few million entries at a time.

        Parameters
        ----------
        scores : array, real floating
            Logits or probabilities of K classes along ``axis``; one number per row for the scope
            "positive".
        targets : array or Targets
            Integer labels of the shape of the rows, distributions of the shape of ``scores``, or
            :class:`softtargets.Targets`. A soft target counts as the part of a hit that its mass at
            the class is.
        where : array of bool, optional
            One per row: rows that count. The others may hold anything.
        ignore_index : int, default -100
            Rows with this label do not count.
        axis : int, default -1
            The class axis.

        Returns
        -------
        None

        Raises
        ------
        TypeError, ValueError
            If arguments do not fit each other or what was counted before, or, where values may be
            looked at, a label is out of range or probabilities do not sum to 1.
        """
        options = Options(self.from_logits, self.scope, where, ignore_index, axis)
        self._add(tally(scores, targets, options, self.num_bins)[0])

    def _add(self, found: Tally) -> None:
        before = self.tally
        if before is None:
            self.tally = found
            return
        check_follows(namespace(found.counts), before.counts, "counts", found.counts, "scores")
        if before.counts.shape != found.counts.shape:
            kinds, received = (t.counts.shape[0] // self.num_bins for t in (before, found))
            errors.bad_value("scores", f"have {kinds} classes, as before", received)
        self.tally = before.plus(found)

    def merge(self, other: Self) -> Self:
        """Return the counts of both.

        Parameters
        ----------
        other : CalibrationBins
            Of other rows, with the same number of bins and the same scope.

        Returns
        -------
        CalibrationBins

        Raises
        ------
        TypeError
            If ``other`` is not a :class:`CalibrationBins`.
        ValueError
            If it has other bins.
        """
        if not isinstance(other, Counted):
            errors.bad_type("other", "be CalibrationBins", type(other).__name__)
        if (other.num_bins, other.scope) != (self.num_bins, self.scope):
            rule = f"have {self.num_bins} bins of scope {self.scope!r}"
            errors.bad_value("other", rule, f"{other.num_bins} of scope {other.scope!r}")
        merged = type(self)(from_logits=self.from_logits, num_bins=self.num_bins, scope=self.scope)
        for part in (self, other):
            if part.tally is not None:
                merged._add(part.tally)
        return merged

    def state_dict(self) -> dict[str, Array]:
        """Return the arrays of the state by name: nothing before any update.

        Arrays of several processes may be added up: what becomes of them is the merged state.
        """
        return {} if self.tally is None else self.tally._asdict()

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over a state of :meth:`state_dict`.

        Parameters
        ----------
        state : mapping of str to array
            "counts", "sums" and "bad", or nothing.

        Returns
        -------
        None

        Raises
        ------
        ValueError
            If a name is missing or unknown, or a shape does not fit the number of bins.
        """
        if state and set(state) != set(Tally._fields):
            errors.bad_value("state", "have the names counts, sums and bad", sorted(state))
        if not state:
            self.tally = None
            return
        counts = state["counts"]
        xp = namespace_of(counts, "counts")
        size = int(counts.shape[0]) if counts.ndim == 1 else 0
        if size == 0 or size % self.num_bins:
            rule = f"have a multiple of {self.num_bins} entries"
            errors.bad_value("counts", rule, tuple(counts.shape))
        check_shape(state["sums"], "sums", (4, 3, size))
        check_shape(state["bad"], "bad", ())
        self.tally = Tally(counts, counters.carried(xp, state["sums"]), state["bad"])
