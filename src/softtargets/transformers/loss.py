"""The cross-entropy as a ``compute_loss_func``: which labels belong to which logits, and the count
that a sum over micro-batches is divided by.
"""

from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from transformers.loss.loss_utils import LOSS_MAPPING, ForCausalLMLoss
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

import softtargets as st
from softtargets._array import errors
from softtargets._array.namespaces import is_number
from softtargets.constants import IGNORE_INDEX
from softtargets.typing import Amount, Array, Spread


def shifts_labels(model: Any) -> bool:
    """Return whether the logits at a position are for the label at the next one.

    So it is in causal language models, and not in masked ones, in models with an encoder (whose
    decoder is given shifted labels as input), or where there is one label for each input.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model, not wrapped by another.

    Returns
    -------
    bool
        True where transformers itself shifts, in the loss of the model or in its own smoothing.

    Raises
    ------
    ValueError
        If transformers has no loss for the class of the model, such as one of your own.
    """
    if hasattr(model, "get_base_model"):
        model = model.get_base_model()  # inside of an adapter
    if getattr(getattr(model, "config", None), "is_encoder_decoder", False):
        return False
    name = type(model).__name__
    if name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
        return True
    kind = LOSS_MAPPING.get(getattr(model, "loss_type", None))
    if kind is None:
        rule = "be of a kind that transformers has a loss for (or give shift)"
        errors.bad_value("model", rule, name)
    return kind is ForCausalLMLoss


@dataclass(frozen=True, kw_only=True, eq=False)
class ComputeLoss:
    """The cross-entropy with soft targets, for ``Trainer(..., compute_loss_func=)``.

        sum over labels that count of loss / num_items_in_batch

    which the Trainer counts over all micro-batches of a step, so that their gradients add up to
    that of the whole. Labels of -100 do not count.

    Parameters
    ----------
    shift : bool
        Whether the logits at a position are for the label at the next one. :meth:`for_model` takes
        it from the model.
    label_smoothing, prior, spread, class_weight, class_mask
        As for :func:`softtargets.cross_entropy`; tensors, or arrays of NumPy, which go where the
        logits are.
    z_loss, confidence_penalty, entropy_threshold
        As for :func:`softtargets.cross_entropy`.
    plain_evaluation : bool, default False
        Whether the loss is the plain negative log-likelihood, without any of these but
        ``class_mask``, where no gradients are recorded, as in ``Trainer.evaluate``.

    Returns
    -------
    tensor
        Called with ``(outputs, labels, num_items_in_batch=None)``: 0-d, float32 for logits in half
        precision. Without a count it is the mean of what counts in this batch; where nothing counts
        in a whole step it is 0.

    Raises
    ------
    TypeError
        If there are no labels, or distributions are to be shifted.
    ValueError
        As :func:`softtargets.cross_entropy`.

    Choosing
    --------
    Without any option the loss is that of the model, and with ``label_smoothing`` alone it is that
    of ``TrainingArguments(label_smoothing_factor=)``. What a model adds to its own loss, such as
    the losses of routers, is left out. Where the logits take too much memory use
    :class:`LinearLoss`.

    Examples
    --------
    >>> import torch
    >>> from softtargets.transformers import ComputeLoss
    >>> compute_loss = ComputeLoss(shift=True, label_smoothing=0.1)
    >>> outputs = {"logits": torch.tensor([[[1.0, 2.0, 3.0], [9.0, 9.0, 9.0]]])}
    >>> compute_loss(outputs, torch.tensor([[2, 0]])).round(decimals=4)
    tensor(2.3076)
    """

    shift: bool
    label_smoothing: Amount = 0.0
    prior: Array | None = None
    spread: Spread = "all"
    class_weight: Array | None = None
    class_mask: Array | None = None
    z_loss: Amount = 0.0
    confidence_penalty: Amount = 0.0
    entropy_threshold: Amount | None = None
    plain_evaluation: bool = False

    @classmethod
    def for_model(cls, model: Any, **options: Any) -> Self:
        """Return the loss with these options that shifts labels as :func:`shifts_labels` says."""
        return cls(shift=shifts_labels(model), **options)

    def __call__(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Return the loss of what the model returned, as the Trainer calls it."""
        logits = logits_of(outputs)
        targets = self.targets(labels, logits.device)
        denominator = self.denominator(targets, num_items_in_batch)
        options = self.options(logits.device)
        loss: torch.Tensor = st.cross_entropy(logits, targets, denominator=denominator, **options)
        return loss

    def targets(self, labels: Any, device: Any) -> torch.Tensor:
        """Return the labels on a device, each at the position of its logits."""
        if labels is None:
            errors.bad_type("labels", "be among the inputs of the model", "None")
        found: torch.Tensor = labels.to(device)
        if not self.shift:
            return found
        if found.is_floating_point():
            errors.bad_type("labels", "have an integer dtype where they are shifted", found.dtype)
        # Moving labels copies less than cutting logits.
        return torch.nn.functional.pad(found, (0, 1), value=IGNORE_INDEX)[..., 1:]

    def denominator(self, targets: torch.Tensor, num_items_in_batch: Any) -> Amount | None:
        """Return what the sum is divided by: at least 1, where a sum over nothing is 0."""
        if num_items_in_batch is None:
            return None
        # Of distributions the Trainer counts each entry.
        each = targets.shape[-1] if targets.is_floating_point() else 1
        if is_number(num_items_in_batch):
            return max(1.0, num_items_in_batch / each)
        # Several devices of one process get the same number several times.
        count = num_items_in_batch.to(targets.device).reshape(-1)[0]
        return torch.clamp(count / each, min=1)

    def options(self, device: Any) -> dict[str, Any]:
        """Return the keywords of the loss, on a device."""
        names = {field.name for field in fields(ComputeLoss)} - {"shift", "plain_evaluation"}
        if self.plain_evaluation and not torch.is_grad_enabled():
            names = {"class_mask"}
        return {name: _on_device(getattr(self, name), device) for name in names}


def logits_of(outputs: Any) -> torch.Tensor:
    """Return the logits among the outputs of a model that was given no labels."""
    found: torch.Tensor = outputs["logits"] if isinstance(outputs, dict) else outputs[0]
    return found


def _on_device(value: Any, device: Any) -> Any:
    if value is None or isinstance(value, str) or is_number(value):
        return value
    return torch.as_tensor(value, device=device)
