"""What smoothing does to a model: closed forms, a report of the loss, the geometry of features.

>>> import softtargets as st
>>> round(st.analysis.optimal_logit_gap(0.1, 10), 4), round(st.analysis.minimum_loss(0.1, 10), 4)
(4.5109, 0.5003)
"""

from softtargets.analysis.choice import Candidate, SmoothingChoice, choose_label_smoothing
from softtargets.analysis.collapse import NeuralCollapse, neural_collapse
from softtargets.analysis.erasure import Erasure, erasure_index
from softtargets.analysis.gaps import gap_under_weight_decay, minimum_loss, optimal_logit_gap
from softtargets.analysis.information import MutualInformation, mutual_information
from softtargets.analysis.measured import logit_gap
from softtargets.analysis.optimum import optimal_logits
from softtargets.analysis.penalties import confidence_penalty_for_gap, gap_for_confidence_penalty
from softtargets.analysis.projection import (
    Projection,
    Tightness,
    penultimate_projection,
    projection_tightness,
)
from softtargets.analysis.relations import (
    smoothing_for_accuracy,
    smoothing_for_noise,
    temperature_for_smoothing,
)
from softtargets.analysis.report import LossReport, loss_report
from softtargets.analysis.separation import ClassSeparation, class_separation, stability

__all__ = [
    "Candidate",
    "ClassSeparation",
    "Erasure",
    "LossReport",
    "MutualInformation",
    "NeuralCollapse",
    "Projection",
    "SmoothingChoice",
    "Tightness",
    "choose_label_smoothing",
    "class_separation",
    "confidence_penalty_for_gap",
    "erasure_index",
    "gap_for_confidence_penalty",
    "gap_under_weight_decay",
    "logit_gap",
    "loss_report",
    "minimum_loss",
    "mutual_information",
    "neural_collapse",
    "optimal_logit_gap",
    "optimal_logits",
    "penultimate_projection",
    "projection_tightness",
    "smoothing_for_accuracy",
    "smoothing_for_noise",
    "stability",
    "temperature_for_smoothing",
]
