"""Drop-ins for the losses of ``torch.nn`` and ``torch.nn.functional``, and mixup of batches.

    from softtargets.torch import CrossEntropyLoss

instead of ``from torch.nn import CrossEntropyLoss``: the arguments, their order and their defaults,
the class axis, the denominators and the dtypes are torch's; the numbers are, up to rounding. After
torch's arguments come those of this library, by keyword only.
"""

from softtargets.torch.arguments import ArgumentError, ArgumentTypeError
from softtargets.torch.binary import binary_cross_entropy_with_logits
from softtargets.torch.cross_entropy import cross_entropy
from softtargets.torch.divergence import kl_div
from softtargets.torch.linear import linear_cross_entropy
from softtargets.torch.linear_module import LinearCrossEntropyLoss
from softtargets.torch.mixup import Mixup
from softtargets.torch.modules import BCEWithLogitsLoss, CrossEntropyLoss, KLDivLoss

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "KLDivLoss",
    "LinearCrossEntropyLoss",
    "Mixup",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "kl_div",
    "linear_cross_entropy",
]
