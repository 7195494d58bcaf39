"""``torch.nn.LinearCrossEntropyLoss`` (2.13) with the keywords of this library, in any torch."""

import math
from typing import Any

import torch
from torch.nn.modules.loss import _WeightedLoss

from softtargets._array import errors
from softtargets._array.namespaces import is_number
from softtargets.targets.value import Targets
from softtargets.torch.arguments import refusal
from softtargets.torch.linear import linear_cross_entropy
from softtargets.torch.options import SoftmaxOptions
from softtargets.typing import Amount, Array, Spread


class LinearCrossEntropyLoss(SoftmaxOptions, _WeightedLoss):
    """``torch.nn.LinearCrossEntropyLoss`` with the keywords of this library.

    The last linear layer of a classifier, ``self.linear``, with its loss: no more than one block of
    rows of its logits exists at a time.

    Parameters
    ----------
    in_features, num_classes, out_features, bias, device, dtype
        As in torch: the layer. With ``out_features`` all logits are made.
    reduction, weight, ignore_index, label_smoothing, options
        As for :func:`softtargets.torch.linear_cross_entropy`.
    prior, spread, class_mask, z_loss, confidence_penalty, entropy_threshold
        As for :func:`softtargets.torch.cross_entropy`.

    Notes
    -----
    It is called with ``input``, features of shape (N, in_features), and ``target``, and with the
    keywords ``label_smoothing`` (instead of the module's), ``sample_weight``, ``where`` and
    ``denominator``. Its state dict is that of torch's class.

    Raises
    ------
    ValueError
        If ``weight`` has another size than ``num_classes``, or ``label_smoothing`` is outside
        [0, 1].

    Examples
    --------
    >>> import torch
    >>> from softtargets.torch import LinearCrossEntropyLoss
    >>> _ = torch.manual_seed(0)
    >>> head = LinearCrossEntropyLoss(16, 1000, label_smoothing=0.1)
    >>> loss = head(torch.randn(8, 16), torch.arange(8))
    >>> loss.backward()
    >>> head.linear.weight.grad.shape
    torch.Size([1000, 16])
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Array | None = None,
        ignore_index: int | None = None,
        label_smoothing: Amount = 0.0,
        options: Any = None,
        prior: Array | None = None,
        spread: Spread = "all",
        class_mask: Array | None = None,
        z_loss: Amount = 0.0,
        confidence_penalty: Amount = 0.0,
        entropy_threshold: Amount | None = None,
    ) -> None:
        try:
            if weight is not None and tuple(weight.shape) != (num_classes,):
                errors.bad_value("weight", f"have shape {(num_classes,)}", tuple(weight.shape))
            if is_number(label_smoothing) and not 0 <= label_smoothing <= 1:
                errors.bad_value("label_smoothing", "be in [0, 1]", label_smoothing)
        except ValueError as error:
            raise refusal(error) from None
        _WeightedLoss.__init__(self, weight, None, None, reduction)
        self.num_classes, self.out_features = num_classes, tuple(out_features)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        size = math.prod(self.out_features, start=num_classes)
        self.linear = torch.nn.Linear(in_features, size, bias=bias, device=device, dtype=dtype)
        self.options = options
        numbers = {
            "z_loss": z_loss,
            "confidence_penalty": confidence_penalty,
            "entropy_threshold": entropy_threshold,
        }
        self.set_options(prior, spread, class_mask, numbers)

    def forward(
        self,
        input: Array,
        target: Array | Targets,
        *,
        label_smoothing: Amount | None = None,
        sample_weight: Array | None = None,
        where: Array | None = None,
        denominator: Amount | None = None,
    ) -> Array:
        """Return the loss of :func:`softtargets.torch.linear_cross_entropy`."""
        weight, bias = self.linear.weight, self.linear.bias
        if self.out_features:
            shape = (self.num_classes, *self.out_features)
            weight = weight.reshape((*shape, self.linear.in_features))
            bias = None if bias is None else bias.reshape(shape)
        return linear_cross_entropy(
            input,
            weight,
            target,
            linear_bias=bias,
            options=self.options,
            sample_weight=sample_weight,
            where=where,
            denominator=denominator,
            **self.call_options(label_smoothing),
        )

    def extra_repr(self) -> str:
        """Return the options as torch prints them, and those that torch's class does not have."""
        names = ("num_classes", "out_features")
        after = ("reduction", "ignore_index", "label_smoothing", "options")
        printed = [f"in_features={self.linear.in_features}"]
        printed += [f"{name}={getattr(self, name)}" for name in names]
        printed += [f"bias={self.linear.bias is not None}"]
        printed += [f"{name}={getattr(self, name)}" for name in after]
        return ", ".join(printed + self.printed())
