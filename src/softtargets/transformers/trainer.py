"""A Trainer that makes no logits while it trains."""

from typing import Any

from transformers import Trainer

from softtargets._array import errors
from softtargets.transformers.linear import LinearLoss


class LinearLossMixin:
    """For trainers of transformers: ``class MyTrainer(LinearLossMixin, Seq2SeqTrainer)``.

    With a :class:`LinearLoss` as ``compute_loss_func`` the output layer is left out in training,
    and in evaluation where nothing but the loss is wanted. Where logits are wanted for metrics or
    predictions they are made.

    Raises
    ------
    TypeError
        When a loss is computed, if ``compute_loss_func`` is not a :class:`LinearLoss`.
    """

    _wants_logits = False

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the loss, as the Trainer does, of what the output layer is given."""
        loss = self.compute_loss_func  # type: ignore[attr-defined]
        if not isinstance(loss, LinearLoss):
            errors.bad_type("compute_loss_func", "be a LinearLoss", type(loss).__name__)
        compute = super().compute_loss  # type: ignore[misc]
        if self._wants_logits:
            return compute(model, inputs, return_outputs, num_items_in_batch)
        with loss.without_head():
            return compute(model, inputs, return_outputs, num_items_in_batch)

    def prediction_step(
        self, model: Any, inputs: Any, prediction_loss_only: bool, *rest: Any, **options: Any
    ) -> Any:
        """Return loss, logits and labels, as the Trainer does."""
        self._wants_logits = not prediction_loss_only
        try:
            step = super().prediction_step  # type: ignore[misc]
            return step(model, inputs, prediction_loss_only, *rest, **options)
        finally:
            self._wants_logits = False


class LinearLossTrainer(LinearLossMixin, Trainer):
    """``transformers.Trainer`` whose loss makes no logits.

    All arguments are those of ``Trainer``; ``compute_loss_func`` is a :class:`LinearLoss`.
    """
