"""What objectives and metrics of gradient boosting share: scores and labels in, derivatives out.

A framework calls them in two ways: with the scores and a data set that holds labels and weights, or
through its scikit-learn wrapper with labels, scores and weights. It keeps labels as floats.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

import softtargets as st
from softtargets._array import errors
from softtargets._array.checks import check_values
from softtargets._array.kinds import is_array, is_numpy
from softtargets._array.namespaces import beside, is_number, namespace_of
from softtargets.typing import Amount, Array, Spread


class Rows(NamedTuple):
    """What a framework hands over in one call, all of it in one place."""

    scores: Array
    labels: Array
    sample_weight: Array | None
    #: Whether labels and weights came in a data set.
    native: bool

    @classmethod
    def of(cls, first: Any, second: Any, sample_weight: Any) -> Self:
        """Return the rows of a native call (scores, data set), or of (labels, scores, weights)."""
        native = hasattr(second, "get_label")
        if native:
            scores, labels, weight = first, second.get_label(), second.get_weight()
        else:
            scores, labels, weight = second, first, sample_weight
        if is_array(weight) and 0 in weight.shape:
            weight = None  # how a data set says that it has none
        namespace_of(scores, "scores")
        # Some of it may be on a device, where the rest then follows.
        found = [part for part in (scores, labels, weight) if is_array(part)]
        like = next((part for part in found if not is_numpy(part)), scores)
        return cls(moved(scores, like), moved(labels, like), moved(weight, like), native)


def moved(value: Any, like: Array) -> Any:
    """Return a NumPy array as one of the library and on the device of ``like``; all else as is."""
    if not is_array(value) or not is_numpy(value) or is_numpy(like):
        return value
    return namespace_of(like, "scores").asarray(value, **beside(like))


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossEntropy:
    """The cross-entropy of scores, rows x classes; one score per row is the logit of class 1 of 2.

    With a transition it is that of noisy labels, by forward correction.
    """

    label_smoothing: Amount = 0.0
    prior: Array | None = None
    spread: Spread = "all"
    class_weight: Array | None = None
    transition: Array | None = None

    def __post_init__(self) -> None:
        if self.transition is None:
            return
        if not is_number(self.label_smoothing) or self.label_smoothing != 0:
            errors.bad_value("label_smoothing", "be 0 beside a transition", self.label_smoothing)
        if self.prior is not None:
            errors.bad_value("prior", "be left out beside a transition", type(self.prior).__name__)

    def value(self, rows: Rows) -> float:
        """Return the mean loss."""
        logits, targets = self._logits(rows), self._targets(rows, None)
        loss = st.cross_entropy if self.transition is None else st.forward_correction
        return float(loss(logits, targets, **self._options(rows)))

    def derivatives(self, rows: Rows, targets: Any) -> tuple[Array, Array]:
        """Return the gradient of the sum of the losses, and a diagonal that is no less than that
        of its Hessian and at least 0.
        """
        logits, targets = self._logits(rows), self._targets(rows, targets)
        options = self._options(rows)
        if self.transition is None:
            curved = st.value_grad_hessian(st.cross_entropy)
            _, gradient, diagonal = curved(logits, targets, reduction="sum", **options)
        else:
            both = st.value_and_grad(st.forward_correction)
            _, gradient = both(logits, targets, reduction="sum", **options)
            # Its own may be negative. It is this one less that of a second cross-entropy.
            del options["transition"]
            curved = st.value_grad_hessian(st.cross_entropy)
            diagonal = curved(logits, targets, reduction="sum", **options)[2]
        if rows.scores.ndim == 1:
            xp = namespace_of(logits, "scores")
            gradient, diagonal = (xp.asarray(a[:, 1], copy=True) for a in (gradient, diagonal))
        return gradient, diagonal

    def _logits(self, rows: Rows) -> Array:
        if rows.scores.ndim != 1:
            return rows.scores
        xp = namespace_of(rows.scores, "scores")
        return xp.stack([xp.zeros_like(rows.scores), rows.scores], axis=-1)

    def _targets(self, rows: Rows, targets: Any) -> Any:
        if targets is not None:
            return moved(targets, rows.scores)
        xp = namespace_of(rows.labels, "labels")
        labels, shape = rows.labels, tuple(rows.scores.shape)
        if math.prod(labels.shape) == math.prod(shape) > shape[0]:
            return xp.reshape(labels, shape)  # distributions, which a data set may flatten
        whole = labels == xp.floor(labels)
        check_values(xp, labels, "labels", "be whole numbers", ~whole)
        # Where nobody may look, what is not whole is out of range.
        return xp.astype(xp.where(whole, labels, -1), xp.int64)

    def _options(self, rows: Rows) -> dict[str, Any]:
        names = [field.name for field in fields(CrossEntropy)]
        if self.transition is None:
            names.remove("transition")
        else:
            names = ["class_weight", "transition"]
        found = {name: moved(getattr(self, name), rows.scores) for name in names}
        return found | {"sample_weight": rows.sample_weight}


@dataclass(frozen=True, kw_only=True, eq=False)
class BinaryCrossEntropy:
    """The binary cross-entropy of scores, one per row or rows x decisions; labels are
    probabilities.
    """

    label_smoothing: Amount = 0.0
    prior: Amount = 0.5
    pos_weight: Amount = 1.0

    def value(self, rows: Rows) -> float:
        """Return the mean loss."""
        options = self._options(rows)
        return float(st.binary_cross_entropy(rows.scores, self._targets(rows, None), **options))

    def derivatives(self, rows: Rows, targets: Any) -> tuple[Array, Array]:
        """Return the gradient of the sum of the losses and the diagonal of its Hessian."""
        curved = st.value_grad_hessian(st.binary_cross_entropy)
        options = self._options(rows)
        targets = self._targets(rows, targets)
        return curved(rows.scores, targets, reduction="sum", **options)[1:]

    def _targets(self, rows: Rows, targets: Any) -> Any:
        if targets is not None:
            return moved(targets, rows.scores)
        xp, shape = namespace_of(rows.labels, "labels"), tuple(rows.scores.shape)
        same = math.prod(rows.labels.shape) == math.prod(shape)
        return xp.reshape(rows.labels, shape) if same else rows.labels

    def _options(self, rows: Rows) -> dict[str, Any]:
        names = [field.name for field in fields(BinaryCrossEntropy)]
        found = {name: moved(getattr(self, name), rows.scores) for name in names}
        axis = None if rows.scores.ndim == 1 else -1
        return found | {"sample_weight": rows.sample_weight, "axis": axis}
