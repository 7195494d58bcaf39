"""The cross-entropy of one class of several, for labels and for distributions."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from softtargets._array import errors
from softtargets._array.axes import check_class_axis, row_shape
from softtargets._array.checks import check_int, check_option
from softtargets._array.scalars import check_real
from softtargets.keras.base import RowwiseLoss, inside, listed, numbers
from softtargets.keras.internals import set_keras_mask
from softtargets.losses.cross_entropy import cross_entropy
from softtargets.targets.smoothing import SPREADS
from softtargets.targets.value import Targets
from softtargets.typing import Array, Spread

#: A label that nobody uses, for a loss that ignores none.
_NO_LABEL = -(2**31)

Numbers = Sequence[float] | Array


@keras.saving.register_keras_serializable(package="softtargets")
class Crossentropy(RowwiseLoss):
    """The cross-entropy between targets and the softmax of logits, in nats.

    One loss for what ``SparseCategoricalCrossentropy`` and ``CategoricalCrossentropy`` of Keras
    are for: integers are labels, of the shape of the rows or with an axis of size 1 for the
    classes; everything of the shape of the predictions is distributions.
    For a target q over K classes with class weights w, after smoothing,

        loss = sum_k w_k q_k (logsumexp(x) - x_k)

    of each row; :func:`softtargets.cross_entropy` has the rest. Keras reduces the rows, with sample
    weights and masks, as it does for its own losses. Rows that are masked or ignored may hold nan.

    Parameters
    ----------
    from_logits : bool
        Whether the model gives logits, which is what to prefer, or probabilities. It has no
        default: that of Keras is False, and either guess would train a wrong loss in silence.
        Probabilities are divided by their sum and clipped at ``keras.config.epsilon()`` as Keras
        does it, and their logarithms taken for logits.
    label_smoothing : number, default 0
        The fraction of all mass that goes to the prior, in [0, 1].
    ignore_class : int, optional
        A label that does not count; labels only.
    axis : int, default -1
        The class axis.
    prior : sequence of numbers, optional
        K of them, or K rows, one per label. Uniform if not given.
    spread : {"all", "others"}, default "all"
        Whether the prior gives mass to the label itself.
    class_weight : sequence of numbers, optional
        K weights w, at least 0. They do not enter the denominator, just as the weights that Keras
        makes of ``fit(class_weight=...)``.
    per_class : sequence of numbers, optional
        K smoothings, one for each class, instead of ``label_smoothing``.
    z_loss, confidence_penalty : number, default 0
        The weights of ``logsumexp(x)^2`` and of minus the entropy of the softmax.
    entropy_threshold : number, optional
        The entropy above which there is no penalty of confidence.
    reduction : str or None, default "sum_over_batch_size"
        "sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none" or None.
    name : str, default "crossentropy"
        The name in logs.
    dtype : str or keras.DTypePolicy, optional
        What predictions are converted to. Computed in float32 at least.

    Examples
    --------
    >>> import softtargets.keras
    >>> loss = softtargets.keras.Crossentropy(from_logits=True, ignore_class=-1, reduction="sum")
    >>> round(float(loss([0, -1], [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])), 4)
    2.4076
    """

    def __init__(
        self,
        *,
        from_logits: bool,
        label_smoothing: float = 0.0,
        ignore_class: int | None = None,
        axis: int = -1,
        prior: Numbers | None = None,
        spread: Spread = "all",
        class_weight: Numbers | None = None,
        per_class: Numbers | None = None,
        z_loss: float = 0.0,
        confidence_penalty: float = 0.0,
        entropy_threshold: float | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        self.ignore_class = ignore_class
        if ignore_class is not None:
            self.ignore_class = check_int(ignore_class, "ignore_class")
        check_option(spread, "spread", SPREADS)
        self.spread = spread
        self.prior, self.class_weight = numbers(prior), numbers(class_weight)
        self.per_class = numbers(per_class)
        self.z_loss = check_real(z_loss, "z_loss")
        self.confidence_penalty = check_real(confidence_penalty, "confidence_penalty")
        self.entropy_threshold = entropy_threshold
        if entropy_threshold is not None:
            self.entropy_threshold = check_real(entropy_threshold, "entropy_threshold")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which Keras makes the same loss again."""
        return {
            **super().get_config(),
            "ignore_class": self.ignore_class,
            "prior": listed(self.prior),
            "spread": self.spread,
            "class_weight": listed(self.class_weight),
            "per_class": listed(self.per_class),
            "z_loss": self.z_loss,
            "confidence_penalty": self.confidence_penalty,
            "entropy_threshold": self.entropy_threshold,
        }

    def rows(self, y_true: Any, y_pred: Array, mask: Array | None) -> Array:
        """Return the loss of each row; those outside of ``mask`` may hold anything."""
        axis = check_class_axis(y_pred, "y_pred", self.axis)
        full = tuple(y_pred.shape)
        targets = self._targets(y_true, full, axis)
        labels = len(targets.shape) < len(full)
        if self.ignore_class is not None and not labels:
            rule = "be None unless y_true are integer labels"
            errors.bad_value("ignore_class", rule, self.ignore_class)
        found = cross_entropy(
            self._logits(y_pred, axis),
            class_weight=self.tensor(self.class_weight),
            where=inside(mask, row_shape(full, axis)),
            axis=axis,
            reduction="none",
            z_loss=self.z_loss,
            confidence_penalty=self.confidence_penalty,
            entropy_threshold=self.entropy_threshold,
            **self._smoothed(targets, full[axis], axis, labels=labels),
        )
        losses = self.tensor(found)
        if self.ignore_class is not None:
            set_keras_mask(losses, ops.not_equal(ops.cast(targets, "int32"), self.ignore_class))
        return losses

    def _targets(self, y_true: Any, full: tuple[int, ...], axis: int) -> Array:
        """Return labels as they are, without an axis of classes, and anything else as floats."""
        y = ops.convert_to_tensor(y_true)
        if "int" in keras.backend.standardize_dtype(y.dtype):
            if len(y.shape) == len(full) and y.shape[axis] == 1:
                y = ops.squeeze(y, axis)
            if tuple(y.shape) != full:
                return y
        return ops.cast(y, self.dtype)

    def _smoothed(self, targets: Array, count: int, axis: int, *, labels: bool) -> dict[str, Any]:
        """Return the arguments that say what the targets are."""
        ignored = _NO_LABEL if self.ignore_class is None else self.ignore_class
        words: dict[str, Any] = {"prior": self.tensor(self.prior), "spread": self.spread}
        if self.per_class is None:
            words |= {"targets": targets, "label_smoothing": self.label_smoothing}
            return words | ({"ignore_index": ignored} if labels else {})
        if labels:
            value = Targets.from_labels(targets, count, ignore_index=ignored)
        else:
            value = Targets.from_distributions(targets, axis=axis)
        amounts = self.tensor(self.per_class)
        return {"targets": value.smooth(self.label_smoothing, per_class=amounts, **words)}

    def _logits(self, y_pred: Array, axis: int) -> Array:
        if self.from_logits:
            return y_pred
        epsilon = keras.config.epsilon()
        p = y_pred / ops.sum(y_pred, axis=axis, keepdims=True)
        return ops.log(ops.clip(p, epsilon, 1.0 - epsilon))
