"""What the losses take from Keras that it does not export: masks of tensors, matching of ranks."""

from keras.src.backend import get_keras_mask, set_keras_mask
from keras.src.losses.loss import squeeze_or_expand_to_same_rank

__all__ = ["get_keras_mask", "set_keras_mask", "squeeze_or_expand_to_same_rank"]
