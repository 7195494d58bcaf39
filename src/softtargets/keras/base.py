"""What the losses have in common: this library makes the losses of rows, Keras reduces them."""

from abc import abstractmethod
from typing import Any

import keras
import numpy as np
from keras import ops

from softtargets._array import errors
from softtargets._array.checks import check_int
from softtargets._array.scalars import check_share
from softtargets.calibration.inputs import check_from_logits
from softtargets.keras.internals import get_keras_mask
from softtargets.typing import Array

#: The backends whose tensors are arrays that this library knows.
BACKENDS = ("jax", "numpy", "torch")


class RowwiseLoss(keras.losses.Loss):
    """A loss that has a value for each row, whose ``y_true`` keeps its dtype.

    Keras makes floats of everything it is given. Integers are labels here, and a float of 16 bits
    has no 257.
    """

    def __init__(
        self,
        from_logits: bool,
        label_smoothing: float,
        axis: int,
        reduction: str | None,
        name: str | None,
        dtype: Any,
    ) -> None:
        if keras.config.backend() not in BACKENDS:
            rule = f"be one of {', '.join(map(repr, BACKENDS))}"
            errors.bad_value("the backend of Keras", rule, repr(keras.config.backend()))
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.from_logits = check_from_logits(from_logits)
        self.label_smoothing = check_share(label_smoothing, "label_smoothing")
        self.axis = check_int(axis, "axis")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """Return the loss, masked, weighted and reduced by Keras."""
        # Keras converts the first argument, which is no more than a stand-in here.
        return _Given(self, y_true, get_keras_mask(y_pred))(0.0, y_pred, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Array:
        """Return the loss of each row."""
        return self.rows(y_true, ops.convert_to_tensor(y_pred, dtype=self.dtype), None)

    @abstractmethod
    def rows(self, y_true: Any, y_pred: Array, mask: Array | None) -> Array:
        """Return the loss of each row; those outside of ``mask`` may hold anything."""

    def get_config(self) -> dict[str, Any]:
        """Return the arguments from which Keras makes the same loss again."""
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": self.axis,
            "dtype": self.dtype,
        }

    def tensor(self, values: Any) -> Array | None:
        """Return numbers as a tensor, in float32 at least."""
        if values is None:
            return None
        wide = "float64" if self.dtype == "float64" else "float32"
        return ops.convert_to_tensor(values, dtype=wide)


class _Given(keras.losses.Loss):
    """A loss of targets that are there, for which Keras asks its predictions only."""

    def __init__(self, loss: RowwiseLoss, y_true: Any, mask: Array | None) -> None:
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=loss.dtype)
        self.loss, self.y_true, self.mask = loss, y_true, mask

    def call(self, y_true: Any, y_pred: Any) -> Array:
        # Of a list Keras converts each number by itself.
        x = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        return self.loss.rows(self.y_true, x, self.mask)


def numbers(values: Any) -> np.ndarray | None:
    """Return a sequence of numbers, or a tensor, as a NumPy array."""
    return None if values is None else np.asarray(ops.convert_to_numpy(values), dtype=np.float64)


def listed(values: np.ndarray | None) -> Any:
    """Return numbers as JSON has them."""
    return None if values is None else values.tolist()


def inside(mask: Array | None, shape: tuple[int, ...]) -> Array | None:
    """Return a mask of rows of this shape; one of another shape is left to Keras."""
    if mask is None or tuple(mask.shape) != shape:
        return None
    return ops.cast(mask, "bool")
