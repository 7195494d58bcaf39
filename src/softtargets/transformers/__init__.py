"""Losses for the Trainer of transformers: soft targets, smoothing, and no logits where there are
too many.
"""

from softtargets.transformers.linear import LinearLoss
from softtargets.transformers.loss import ComputeLoss, shifts_labels
from softtargets.transformers.trainer import LinearLossMixin, LinearLossTrainer

__all__ = ["ComputeLoss", "LinearLoss", "LinearLossMixin", "LinearLossTrainer", "shifts_labels"]
