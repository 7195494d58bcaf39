"""The loss of the last layer of a language model, whose logits are never made all at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

import softtargets as st
from softtargets._array import errors
from softtargets.transformers.loss import ComputeLoss, logits_of, shifts_labels


class LinearLoss:
    """The cross-entropy of a language model from what its last layer is given.

    The same as :class:`ComputeLoss`, by :func:`softtargets.linear_cross_entropy`: the logits,
    tokens x vocabulary, exist one block of rows at a time, in the forward and the backward pass.
    :class:`LinearLossTrainer` calls it; in a loop of your own::

        with loss.without_head():
            outputs = model(**inputs)
        loss(outputs, labels).backward()

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A model with a linear output layer, ``get_output_embeddings()``, after which it changes the
        logits no more. It is only looked at here, and may be wrapped later.
    shift : bool, optional
        As for :class:`ComputeLoss`; by default what :func:`shifts_labels` says of the model.
    block_bytes : int, optional
        As for :func:`softtargets.linear_cross_entropy`.
    **options
        The other parameters of :class:`ComputeLoss`.

    Returns
    -------
    tensor
        Called with ``(outputs, labels, num_items_in_batch=None)``, as :class:`ComputeLoss`. Outputs
        that were made with the last layer have logits, and the loss is that of these.

    Raises
    ------
    ValueError
        If the output layer is not a plain ``torch.nn.Linear``, it was called other than once, or
        the model changed what it returned (a cap on the logits, a scale, a bias of its own). The
        last is looked for in the first call.

    Choosing
    --------
    It takes the memory of the logits away, and some time. The weight has to be whole in this
    process: not with FSDP, ZeRO-3 or tensor parallelism, nor with ``torch.compile`` of the model.
    An adapter (LoRA) on the output layer is refused.

    Examples
    --------
    >>> import torch
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> from softtargets.transformers import LinearLoss
    >>> size = dict(hidden_size=8, intermediate_size=8, num_attention_heads=2)
    >>> model = LlamaForCausalLM(LlamaConfig(vocab_size=50, num_hidden_layers=1, **size))
    >>> tokens = torch.tensor([[3, 1, 4, 1, 5]])
    >>> loss = LinearLoss(model)
    >>> with loss.without_head():
    ...     outputs = model(tokens)
    >>> bool(torch.isclose(loss(outputs, tokens), model(tokens, labels=tokens).loss))
    True
    """

    def __init__(
        self,
        model: Any,
        *,
        shift: bool | None = None,
        block_bytes: int | None = None,
        **options: Any,
    ) -> None:
        self.head = _head_of(model)
        self.loss = ComputeLoss(shift=shifts_labels(model) if shift is None else shift, **options)
        self.block_bytes = block_bytes
        self._seen: list[torch.Tensor] = []
        self._checked = False

    @contextmanager
    def without_head(self) -> Iterator[None]:
        """Within, the model returns what its output layer is given in the place of logits."""

        def pass_on(features: torch.Tensor) -> torch.Tensor:
            kind = features.device.type
            if torch.is_autocast_enabled(kind):
                features = features.to(torch.get_autocast_dtype(kind))
            self._seen.append(features)
            return features

        own = self.head.__dict__.get("forward")  # what others may have put there
        self._seen = []
        self.head.forward = pass_on
        try:
            yield
        finally:
            del self.head.forward
            if own is not None:
                self.head.forward = own

    def __call__(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Return the loss of what the model returned, as the Trainer calls it."""
        seen, self._seen = self._seen, []
        if not seen:
            return self.loss(outputs, labels, num_items_in_batch)
        if len(seen) != 1:
            rule = "call its output layer once for each batch"
            errors.bad_value("model", rule, f"{len(seen)} calls")
        self._check(logits_of(outputs), seen[0])
        features, weight, bias = seen[0], self.head.weight, self.head.bias
        targets = self.loss.targets(labels, features.device)
        loss: torch.Tensor = st.linear_cross_entropy(
            features,
            weight.to(features.dtype),
            targets,
            bias=None if bias is None else bias.to(features.dtype),
            block_bytes=self.block_bytes,
            denominator=self.loss.denominator(targets, num_items_in_batch),
            **self.loss.options(features.device),
        )
        return loss

    def _check(self, returned: torch.Tensor, features: torch.Tensor) -> None:
        """Raise if the model does something to its logits; looking waits for a device, once."""
        if returned is features or self._checked:
            return
        # Mixed precision returns them in float32.
        same = returned.shape == features.shape and torch.equal(
            returned.to(features.dtype), features
        )
        if not same:
            rule = "return the logits of its output layer as they are (ComputeLoss takes any)"
            errors.bad_value("model", rule, "others")
        self._checked = True


def _head_of(model: Any) -> torch.nn.Linear:
    find = getattr(model, "get_output_embeddings", None)
    head = None if find is None else find()
    if type(head) is not torch.nn.Linear:
        errors.bad_value("model", "have a torch.nn.Linear as output layer", type(head).__name__)
    if getattr(model, "final_logits_bias", None) is not None:
        errors.bad_value("model", "have no bias beside its output layer", "final_logits_bias")
    return head
