"""Losses and metrics of classes, or rows, that several processes or devices hold."""

from softtargets.distributed.chunks import count_chunks
from softtargets.distributed.cross_entropy import cross_entropy
from softtargets.distributed.gradients import value_and_grad
from softtargets.distributed.groups import Group
from softtargets.distributed.linear_cross_entropy import linear_cross_entropy
from softtargets.distributed.merging import merge

__all__ = [
    "Group",
    "count_chunks",
    "cross_entropy",
    "linear_cross_entropy",
    "merge",
    "value_and_grad",
]
