"""The losses as modules: those of ``torch.nn``, with the keywords of this library.

Each is a subclass of torch's class of its name, where there is one in every release, and has its
buffers: a state dict fits both. What torch's class does not have is a setting, not state.
"""

import torch

from softtargets.constants import IGNORE_INDEX
from softtargets.targets.value import Targets
from softtargets.torch.binary import binary_cross_entropy_with_logits
from softtargets.torch.cross_entropy import cross_entropy
from softtargets.torch.divergence import kl_div
from softtargets.torch.options import SoftmaxOptions
from softtargets.typing import Amount, Array, Spread


class CrossEntropyLoss(SoftmaxOptions, torch.nn.CrossEntropyLoss):
    """``torch.nn.CrossEntropyLoss`` with the keywords of this library.

    Parameters
    ----------
    weight, size_average, ignore_index, reduce, reduction, label_smoothing
        As in torch, in its order, with its defaults.
    prior, spread, class_mask, z_loss, confidence_penalty, entropy_threshold
        As for :func:`softtargets.torch.cross_entropy`.

    Notes
    -----
    It is called with ``input`` and ``target``, as in torch, where a target may be
    :class:`~softtargets.Targets`, and with these keywords:
    ``label_smoothing`` (instead of the module's: a schedule, or one value per row),
    ``sample_weight``, ``where`` and ``denominator``.

    Examples
    --------
    >>> import torch
    >>> from softtargets.torch import CrossEntropyLoss
    >>> criterion = CrossEntropyLoss(label_smoothing=0.1, z_loss=1e-4)
    >>> logits = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    >>> loss = criterion(logits, torch.tensor([0]))
    >>> loss.backward()
    >>> loss
    tensor(2.3088, grad_fn=<...>)
    """

    def __init__(
        self,
        weight: Array | None = None,
        size_average: bool | None = None,
        ignore_index: int = IGNORE_INDEX,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: Amount = 0.0,
        *,
        prior: Array | None = None,
        spread: Spread = "all",
        class_mask: Array | None = None,
        z_loss: Amount = 0.0,
        confidence_penalty: Amount = 0.0,
        entropy_threshold: Amount | None = None,
    ) -> None:
        torch.nn.CrossEntropyLoss.__init__(
            *(self, weight, size_average, ignore_index, reduce, reduction, label_smoothing)
        )
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
        """Return the loss of :func:`softtargets.torch.cross_entropy`."""
        return cross_entropy(
            input,
            target,
            sample_weight=sample_weight,
            where=where,
            denominator=denominator,
            **self.call_options(label_smoothing),
        )

    def extra_repr(self) -> str:
        """Return the options that torch's class does not have."""
        return ", ".join(self.printed())


class BCEWithLogitsLoss(torch.nn.BCEWithLogitsLoss):
    """``torch.nn.BCEWithLogitsLoss`` with the keywords of this library.

    Parameters
    ----------
    weight, size_average, reduce, reduction, pos_weight
        As in torch, in its order, with its defaults.
    label_smoothing, prior
        As for :func:`softtargets.torch.binary_cross_entropy_with_logits`.

    Notes
    -----
    It is called with ``input`` and ``target``, and with the keywords ``label_smoothing`` (instead
    of the module's), ``sample_weight``, ``where`` and ``denominator``.

    Examples
    --------
    >>> import torch
    >>> from softtargets.torch import BCEWithLogitsLoss
    >>> criterion = BCEWithLogitsLoss(label_smoothing=0.1)
    >>> criterion(torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0]))
    tensor(0.2951)
    """

    def __init__(
        self,
        weight: Array | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Array | None = None,
        *,
        label_smoothing: Amount = 0.0,
        prior: Amount = 0.5,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction, pos_weight)
        self.label_smoothing, self.prior = label_smoothing, prior

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
        """Return the loss of :func:`softtargets.torch.binary_cross_entropy_with_logits`."""
        return binary_cross_entropy_with_logits(
            input,
            target,
            self.weight,
            pos_weight=self.pos_weight,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing if label_smoothing is None else label_smoothing,
            prior=self.prior,
            sample_weight=sample_weight,
            where=where,
            denominator=denominator,
        )


class KLDivLoss(torch.nn.KLDivLoss):
    """``torch.nn.KLDivLoss`` with the keywords of this library.

    Parameters
    ----------
    size_average, reduce, reduction, log_target
        As in torch, in its order, with its defaults.
    label_smoothing, prior, spread
        As for :func:`softtargets.torch.kl_div`.

    Notes
    -----
    It is called with ``input``, which are log-probabilities, and ``target``, and with the keywords
    ``label_smoothing`` (instead of the module's), ``where`` and ``denominator``.

    Examples
    --------
    >>> import torch
    >>> from softtargets.torch import KLDivLoss
    >>> log_probs = torch.tensor([[1.0, 2.0, 3.0]]).log_softmax(1)
    >>> KLDivLoss(reduction="batchmean")(log_probs, torch.tensor([[0.0, 0.25, 0.75]]))
    tensor(0.0953)
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
        *,
        label_smoothing: Amount = 0.0,
        prior: Array | None = None,
        spread: Spread = "all",
    ) -> None:
        super().__init__(size_average, reduce, reduction, log_target)
        self.label_smoothing, self.spread = label_smoothing, spread
        self.register_buffer("prior", prior, persistent=False)

    def forward(
        self,
        input: Array,
        target: Array | Targets,
        *,
        label_smoothing: Amount | None = None,
        where: Array | None = None,
        denominator: Amount | None = None,
    ) -> Array:
        """Return the loss of :func:`softtargets.torch.kl_div`."""
        return kl_div(
            input,
            target,
            reduction=self.reduction,
            log_target=self.log_target,
            label_smoothing=self.label_smoothing if label_smoothing is None else label_smoothing,
            prior=self.prior,
            spread=self.spread,
            where=where,
            denominator=denominator,
        )
