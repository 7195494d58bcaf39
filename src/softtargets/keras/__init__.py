"""Keras: losses of soft targets, for the backends JAX, PyTorch and NumPy.

>>> import keras
>>> import softtargets.keras
>>> loss = softtargets.keras.Crossentropy(from_logits=True, label_smoothing=0.1)
>>> logits = [[1.0, 2.0, 3.0]]
>>> round(float(loss([0], logits)), 5), round(float(loss([[1.0, 0.0, 0.0]], logits)), 5)
(2.30761, 2.30761)
"""

from softtargets.keras.binary import BinaryCrossentropy
from softtargets.keras.crossentropy import Crossentropy

__all__ = ["BinaryCrossentropy", "Crossentropy"]
