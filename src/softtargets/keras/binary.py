"""The cross-entropy of answers yes and no."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from softtargets._array.axes import check_class_axis, row_shape
from softtargets.keras.base import RowwiseLoss, inside, listed, numbers
from softtargets.keras.internals import squeeze_or_expand_to_same_rank
from softtargets.losses.binary_cross_entropy import binary_cross_entropy
from softtargets.typing import Array

Numbers = Sequence[float] | Array


@keras.saving.register_keras_serializable(package="softtargets")
class BinaryCrossentropy(RowwiseLoss):
    """The mean over ``axis`` of the cross-entropies of yes and no, in nats.

    With a target t in [0, 1], which smoothing e makes t' = (1 - e) t + e prior,

        loss = w (u t' softplus(-x) + (1 - t') softplus(x))

    of each logit x; :func:`softtargets.binary_cross_entropy` has the rest. With the default prior
    this is ``keras.losses.BinaryCrossentropy``, and it takes targets of the same shapes and dtypes.

    Parameters
    ----------
    from_logits : bool
        Whether the model gives logits, or probabilities, which are clipped at
        ``keras.config.epsilon()``. It has no default: see :class:`Crossentropy`.
    label_smoothing : number, default 0
        The fraction e, in [0, 1].
    axis : int, default -1
        The axis over which the mean is taken.
    prior : number or sequence of numbers, default 0.5
        The probability of yes to which targets are drawn, of each or of all that lie along the
        axis.
    pos_weight : number or sequence of numbers, default 1
        The weight u of yes.
    class_weight : sequence of numbers, optional
        The weight w of each that lies along the axis. It does not enter the denominator.
    reduction, name, dtype
        As for :class:`Crossentropy`.

    Examples
    --------
    >>> import softtargets.keras
    >>> loss = softtargets.keras.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
    >>> round(float(loss([[1, 0]], [[2.0, -1.0]])), 6)
    0.295095
    """

    def __init__(
        self,
        *,
        from_logits: bool,
        label_smoothing: float = 0.0,
        axis: int = -1,
        prior: float | Numbers = 0.5,
        pos_weight: float | Numbers = 1.0,
        class_weight: Numbers | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        self.prior, self.pos_weight = numbers(prior), numbers(pos_weight)
        self.class_weight = numbers(class_weight)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which Keras makes the same loss again."""
        return {
            **super().get_config(),
            "prior": listed(self.prior),
            "pos_weight": listed(self.pos_weight),
            "class_weight": listed(self.class_weight),
        }

    def rows(self, y_true: Any, y_pred: Array, mask: Array | None) -> Array:
        """Return the loss of each row; those outside of ``mask`` may hold anything."""
        y = ops.cast(ops.convert_to_tensor(y_true), self.dtype)
        y, x = squeeze_or_expand_to_same_rank(y, y_pred)
        axis = check_class_axis(x, "y_pred", self.axis)
        if not self.from_logits:
            epsilon = keras.config.epsilon()
            x = ops.clip(x, epsilon, 1.0 - epsilon)
            x = ops.log(x) - ops.log(1.0 - x)
        losses = binary_cross_entropy(
            x,
            y,
            label_smoothing=self.label_smoothing,
            prior=self.tensor(self.prior),
            pos_weight=self.tensor(self.pos_weight),
            class_weight=self.tensor(self.class_weight),
            where=inside(mask, row_shape(tuple(x.shape), axis)),
            axis=axis,
            reduction="none",
        )
        return self.tensor(losses) / x.shape[axis]
