"""What smoothing does to a model: closed forms, a report of the loss, the geometry of features.

>>> import softtargets as st
>>> round(st.analysis.optimal_logit_gap(0.1, 10), 4), round(st.analysis.minimum_loss(0.1, 10), 4)
(4.5109, 0.5003)
"""

from softtargets.analysis.choice import Candidate, SmoothingChoice, choose_label_smoothing
from softtargets.analysis.gaps import gap_under_weight_decay, minimum_loss, optimal_logit_gap
from softtargets.analysis.measured import logit_gap
from softtargets.analysis.optimum import optimal_logits
from softtargets.analysis.penalties import confidence_penalty_for_gap, gap_for_confidence_penalty
from softtargets.analysis.relations import (
    smoothing_for_accuracy,
    smoothing_for_noise,
    temperature_for_smoothing,
)
from softtargets.analysis.report import LossReport, loss_report

__all__ = [
    "Candidate",
    "LossReport",
    "SmoothingChoice",
    "choose_label_smoothing",
    "confidence_penalty_for_gap",
    "gap_for_confidence_penalty",
    "gap_under_weight_decay",
    "logit_gap",
    "loss_report",
    "minimum_loss",
    "optimal_logit_gap",
    "optimal_logits",
    "smoothing_for_accuracy",
    "smoothing_for_noise",
    "temperature_for_smoothing",
]
