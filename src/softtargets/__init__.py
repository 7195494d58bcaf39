"""Soft targets and their losses, written once against the Python array API standard.

    >>> import numpy as np
    >>> import softtargets as st
    >>> logits = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 0.5]])
    >>> loss = st.cross_entropy(logits, np.array([0, 0]), label_smoothing=0.1)
    >>> loss, gradient = st.value_and_grad(st.cross_entropy)(logits, np.array([0, 0]))

Everything follows ``logits``: the result has their library and their device.
"""

from softtargets import analysis, calibration
from softtargets._array.threads import get_num_threads, set_num_threads
from softtargets.losses.binary_cross_entropy import binary_cross_entropy
from softtargets.losses.cross_entropy import cross_entropy
from softtargets.losses.distillation import distillation
from softtargets.losses.divergences import js_divergence, kl_divergence
from softtargets.losses.focus import focal_loss, poly_loss
from softtargets.losses.generalized import generalized_smoothing
from softtargets.losses.gradients import value_and_grad
from softtargets.losses.hessians import value_grad_hessian
from softtargets.losses.linear_cross_entropy import linear_cross_entropy
from softtargets.losses.linear_distillation import linear_distillation
from softtargets.losses.linear_divergence import linear_kl_divergence
from softtargets.losses.margins import margin_smoothing, max_suppression
from softtargets.losses.noise import backward_correction, forward_correction
from softtargets.losses.softmax_state import SoftmaxState
from softtargets.targets.conventions import convert_smoothing
from softtargets.targets.counts import prior_from_counts, transition_from_confusion
from softtargets.targets.functions import mix, one_hot, smooth_labels
from softtargets.targets.mixing import Mixing
from softtargets.targets.mixup import cutmix, mixup
from softtargets.targets.neighbours import neighbour_kernel
from softtargets.targets.noise import noise_transition
from softtargets.targets.online import OnlineLabelSmoothing
from softtargets.targets.schedules import linear_warmup
from softtargets.targets.similarity import prior_from_similarity
from softtargets.targets.value import Targets

__version__ = "0.1.0"

__all__ = [
    "Mixing",
    "OnlineLabelSmoothing",
    "SoftmaxState",
    "Targets",
    "analysis",
    "backward_correction",
    "binary_cross_entropy",
    "calibration",
    "convert_smoothing",
    "cross_entropy",
    "cutmix",
    "distillation",
    "focal_loss",
    "forward_correction",
    "generalized_smoothing",
    "get_num_threads",
    "js_divergence",
    "kl_divergence",
    "linear_cross_entropy",
    "linear_distillation",
    "linear_kl_divergence",
    "linear_warmup",
    "margin_smoothing",
    "max_suppression",
    "mix",
    "mixup",
    "neighbour_kernel",
    "noise_transition",
    "one_hot",
    "poly_loss",
    "prior_from_counts",
    "prior_from_similarity",
    "set_num_threads",
    "smooth_labels",
    "transition_from_confusion",
    "value_and_grad",
    "value_grad_hessian",
]
