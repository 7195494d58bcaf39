"""What the losses for Keras must do on every backend. Keras has one backend per process.

Run as a module it does every check with the backend that ``KERAS_BACKEND`` names, and prints what
it did. `tests/frameworks/test_keras.py` runs it for each of them.
"""

from __future__ import annotations

import warnings

from tests.frameworks import keras_training
from tests.frameworks.keras_values import BACKEND, CHECKS

__all__ = ["BACKEND", "CHECKS", "keras_training", "run"]


def run(name: str) -> None:
    """Do one check, without the warning that Keras gives of its own variables."""
    with warnings.catch_warnings():
        # Variables of Keras 3.15 have an __array__ that does not know NumPy's keyword copy.
        warnings.filterwarnings("ignore", "__array__ implementation doesn't", DeprecationWarning)
        CHECKS[name]()


if __name__ == "__main__":
    for each in CHECKS:
        run(each)
        print(each)
