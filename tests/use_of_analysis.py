"""Call all of `st.analysis`, for tests of what it asks of a library."""

import contextlib
from collections.abc import Iterator

import numpy as np
import pytest

from softtargets import analysis
from tests.backends import Variant

X = np.array([[3.0, 1.0, -2.0], [0.0, 0.5, 4.0], [-1.5, 2.5, 2.0], [0.25, 0.0, 0.125]])


@contextlib.contextmanager
def with_linalg(backend: Variant) -> Iterator[None]:
    """Let array-api-strict have the extension for linear algebra, which no loss needs."""
    if backend.row == "array_api_strict":
        import array_api_strict

        with array_api_strict.ArrayAPIStrictFlags(enabled_extensions=("linalg",)):
            yield
    else:
        yield


def skip_what_is_single(backend: Variant) -> None:
    """Leave out a test of float32 where wider numbers are switched on: it has run without."""
    if backend.name == "jax-x64":
        pytest.skip("jax-x64: float32 is tested without it")


def use_all_of_analysis(backend: Variant) -> None:
    """Use every function that takes arrays, and every path of it."""
    amount = backend.asarray([0.0, 0.25, 1.0], "float32")
    prior = backend.asarray([0.5, 0.25, 0.25], "float32")
    for spread in ("all", "others"):
        analysis.optimal_logit_gap(amount, 3, spread=spread)
        analysis.minimum_loss(amount, 3, spread=spread)
        analysis.optimal_logit_gap(0.25, 3, prior=prior, spread=spread)
        analysis.minimum_loss(0.25, 3, prior=prior, spread=spread)
    labels = backend.asarray([0, 2, 1])
    analysis.optimal_logits(labels, 0.25, num_classes=3, class_weight=prior, axis=0)
    x = backend.asarray(X, "float32")
    labels, mask = backend.asarray([0, 2, 1, -100]), backend.asarray([True, True, True])
    for words in ({"label_smoothing": 0.25}, {"class_mask": mask, "label_smoothing": 0.25}):
        analysis.loss_report(x, labels, **words)
    analysis.logit_gap(x, labels, class_mask=mask)
    analysis.choose_label_smoothing(x, labels, prior=prior)
    analysis.choose_label_smoothing(x, labels)
    analysis.choose_label_smoothing({0.0: x}, labels)
    weight = backend.asarray(np.eye(3), "float32")
    with with_linalg(backend):
        analysis.neural_collapse(x, labels, 3, weight=weight, bias=prior)
    analysis.class_separation(x, labels, 3)
    for from_logits in (True, False):
        analysis.stability(weight, backend.asarray([0, 1, 2]), from_logits=from_logits)
    analysis.erasure_index(x, labels)
    analysis.mutual_information(x)
    analysis.penultimate_projection(x, weight, (0, 1, 2))
    analysis.projection_tightness(x, labels, weight)
