"""More cases of tests/test_messages.py: linear layers, threads, conversions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softtargets as st
from softtargets._array import threads

Y, WEIGHT, BIAS = np.ones((3, 4)), np.ones((5, 4)), np.zeros(5)
LABELS = np.array([2, 0, 4])
SHAPE = "weight must have shape (K, 4), one row per class"
FEATURES = " [features: (3, 4)]"
LOGITS = " [logits: (3, 5), axis: -1]"


def linear(**words: Any) -> Callable[[], object]:
    """Return a call of the loss of a linear layer."""
    given = {"features": Y, "weight": WEIGHT, "targets": LABELS} | words
    return lambda: st.linear_cross_entropy(**given)


def into(out: Any) -> object:
    """Ask for the gradients of a layer in a buffer."""
    return st.value_and_grad(st.linear_cross_entropy, out=out)(Y, WEIGHT, LABELS)


def with_variable(value: str) -> Callable[[], object]:
    """Return a question for the number of threads with a variable of the environment set."""

    def act() -> object:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(threads.VARIABLE, value)
            return st.get_num_threads()

    return act


TYPES: list[tuple[str, Callable[[], object]]] = [
    ("features must be an array, got list", linear(features=Y.tolist())),
    ("features must have a real floating-point dtype, got int64", linear(features=Y.astype(int))),
    ("weight must be an array, got list", linear(weight=WEIGHT.tolist())),
    ("weight must have the dtype float64 of features, got float32",
     linear(weight=WEIGHT.astype("f4"))),
    ("weight must have the dtype float64 of features, got bool", linear(weight=WEIGHT > 2)),
    ("bias must be an array, got float", linear(bias=0.0)),
    ("bias must have the dtype float64 of features, got float16", linear(bias=BIAS.astype("f2"))),
    ("block_bytes must be an int, got float", linear(block_bytes=1e6)),
    ("block_bytes must be an int, got bool", linear(block_bytes=True)),
    ("axis must be an int, got float", linear(axis=1.0)),
    ("num_threads must be an int, got float", lambda: st.set_num_threads(2.0)),
    ("num_threads must be an int, got str", lambda: st.set_num_threads("2")),
    ("num_threads must be an int, got bool", lambda: st.set_num_threads(True)),
    ("label_smoothing must be a number or an array, got True",
     lambda: st.convert_smoothing(True, 3)),
]  # fmt: skip
VALUES: list[tuple[str, Callable[[], object]]] = [
    ("features must have an axis of features, got ()", linear(features=np.array(1.0))),
    ("axis must be in [-2, 2), got 2", linear(axis=2)),
    (f"{SHAPE}, got (4,){FEATURES}", linear(weight=WEIGHT[0])),
    (f"{SHAPE}, got (4, 5){FEATURES}", linear(weight=WEIGHT.T)),
    (f"{SHAPE}, got (0, 4){FEATURES}", linear(weight=WEIGHT[:0])),
    ("weight must have shape (K, 3), one row per class, got (5, 4) [features: (3, 4)]",
     linear(axis=0)),
    ("bias must have shape (5,), got (4,)", linear(bias=BIAS[:4])),
    ("bias must have shape (5,), got (1, 5)", linear(bias=BIAS[None])),
    ("block_bytes must be at least 1, got 0", linear(block_bytes=0)),
    ("block_bytes must be at least 1, got -8", linear(block_bytes=-8)),
    ("out must be None for linear_cross_entropy, got ndarray", lambda: into(np.empty((3, 4)))),
    ("targets must have shape (3,) for labels or (3, 5) for distributions, "
     f"got (3, 4){LOGITS}", linear(targets=Y / 4)),
    ("targets must be in [0, 5) or ignore_index -100, got 5 at position (0,)",
     linear(targets=LABELS + 3)),
    ("class_weight must have shape (5,), got (4,)", linear(class_weight=np.ones(4))),
    ("reduction must be one of 'none', 'sum', 'mean', got 'all'", linear(reduction="all")),
    ("num_threads must be at least 1, got 0", lambda: st.set_num_threads(0)),
    ("num_threads must be at least 1, got -2", lambda: st.set_num_threads(-2)),
    ("SOFTTARGETS_NUM_THREADS must be at least 1, got 0", with_variable("0")),
    ("SOFTTARGETS_NUM_THREADS must be an int of at least 1, got 'two'", with_variable("two")),
    ("SOFTTARGETS_NUM_THREADS must be an int of at least 1, got '-1'", with_variable("-1")),
    ("source must be one of 'all', 'others', 'classy', got 'half'",
     lambda: st.convert_smoothing(0.1, 3, source="half")),
    ("num_classes must be at least 2, got 1", lambda: st.convert_smoothing(0.1, 1)),
    ("label_smoothing must have an equal in [0, 1] of the convention 'all', got 0.9 "
     "[source: 'others']", lambda: st.convert_smoothing(0.9, 3)),
]  # fmt: skip
