"""The loss of the last layer: the same numbers, and logits never made."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from softtargets.transformers import ComputeLoss, LinearLoss, LinearLossTrainer  # noqa: E402
from tests.frameworks.models import LENGTH, VOCABULARY, make, rows, trained, trainer  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")
DATA = rows(16)
IDS, LABELS = (torch.stack([row[key] for row in DATA]) for key in ("input_ids", "labels"))


def gradients(model: Any, loss: Any) -> list[Any]:
    model.zero_grad()
    loss.backward()
    return [None if p.grad is None else p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize(
    "name",
    ["LlamaForCausalLM", "GPT2LMHeadModel", "BertForMaskedLM", "T5ForConditionalGeneration"],
)
def test_same_loss_and_gradients(name: str) -> None:
    """Loss and all gradients are those of the logits, with tied weights, a bias, or an encoder;
    afterwards the model makes logits as before.
    """
    model = make(name)
    if name.startswith("T5"):
        options = {"decoder_input_ids": model.prepare_decoder_input_ids_from_labels(LABELS)}
    else:
        options = {}
    given = {"label_smoothing": 0.1, "z_loss": 1e-3, "prior": np.full(VOCABULARY, 1 / VOCABULARY)}
    linear = LinearLoss(model, block_bytes=1, **given)
    plain = ComputeLoss.for_model(model, **given)
    for count in (None, torch.tensor(50)):
        with linear.without_head():
            outputs = model(input_ids=IDS, **options)
        found = linear(outputs, LABELS, count)
        mine = gradients(model, found)
        outputs = model(input_ids=IDS, **options)
        assert outputs.logits.shape == (16, LENGTH, VOCABULARY)
        want = plain(outputs, LABELS, count)
        torch.testing.assert_close(linear(outputs, LABELS, count), want, rtol=0, atol=0)
        torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-6)
        for one, other in zip(mine, gradients(model, want), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert LinearLoss(model, shift=True).loss.shift is True


class Largest(TorchDispatchMode):
    """Remembers the most elements of any tensor that an operation of torch returned."""

    elements = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for part in result if isinstance(result, tuple | list) else [result]:
            if isinstance(part, torch.Tensor):
                self.elements = max(self.elements, part.numel())
        return result


def test_logits_are_never_made() -> None:
    """Neither torch nor NumPy makes an array with an entry per token and word, forward or backward;
    with logits both passes do.
    """
    words = 4000
    model = make("LlamaForCausalLM", vocab_size=words)
    logits = LABELS.numel() * words
    found = {}
    for loss in (LinearLoss(model, block_bytes=words * 4 * 8), ComputeLoss(shift=True)):
        tracemalloc.start()
        try:
            with Largest() as largest:
                if isinstance(loss, LinearLoss):
                    with loss.without_head():
                        outputs = model(input_ids=IDS)
                else:
                    outputs = model(input_ids=IDS)
                gradients(model, loss(outputs, LABELS))
            found[type(loss)] = largest.elements, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    weight = model.lm_head.weight.numel()
    assert found[LinearLoss][0] <= weight < logits / 5
    assert found[LinearLoss][1] < 4 * (logits / 2 + weight)
    assert found[ComputeLoss][0] >= logits
    assert found[ComputeLoss][1] > 4 * logits


def test_training(tmp_path: Path) -> None:
    """Training gives the same weights as with logits, in micro-batches too, and the output
    layer makes none; evaluation makes logits only for those who want them.
    """
    model = make("LlamaForCausalLM")
    compute_loss = ComputeLoss.for_model(model, label_smoothing=0.1)
    want = trained(model, DATA, tmp_path, compute_loss_func=compute_loss)
    model = make("LlamaForCausalLM")
    widths = set()
    model.lm_head.register_forward_hook(lambda _, __, out: widths.add(out.shape[-1]))
    linear = LinearLoss(model, label_smoothing=0.1)
    kinds = {"kind": LinearLossTrainer, "compute_loss_func": linear}
    made = trainer(model, DATA, tmp_path, batch=2, **kinds)
    made.train()
    weights = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
    torch.testing.assert_close(weights, want[0], rtol=1e-5, atol=1e-6)
    losses = [entry["loss"] for entry in made.state.log_history if "loss" in entry]
    np.testing.assert_allclose(losses, want[1], rtol=1e-4)
    alone = made.evaluate()["eval_loss"]
    assert widths == {16}
    predicted = made.predict(DATA)
    assert widths == {16, VOCABULARY}
    assert predicted.predictions.shape == (16, LENGTH, VOCABULARY)
    assert predicted.metrics["test_loss"] == pytest.approx(alone, rel=1e-5)
    with pytest.raises(
        TypeError, match=r"^compute_loss_func must be a LinearLoss, got ComputeLoss$"
    ):
        trained(model, DATA, tmp_path, kind=LinearLossTrainer, compute_loss_func=compute_loss)


def test_mixed_precision(tmp_path: Path) -> None:
    """With bfloat16 the output layer gets what autocast would give it, and the loss is that of
    logits in bfloat16 up to their rounding.
    """
    found = []
    for kind in (LinearLoss, ComputeLoss.for_model):
        model = make("LlamaForCausalLM")
        trainer_kind = LinearLossTrainer if kind is LinearLoss else None
        found.append(
            trained(
                model,
                DATA,
                tmp_path,
                kind=trainer_kind,
                bf16=True,
                compute_loss_func=kind(model, label_smoothing=0.1),
            )
        )
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=2e-3)
    start = torch.cat([p.detach().reshape(-1) for p in make("LlamaForCausalLM").parameters()])
    moved = [weights - start for weights, _ in found]
    cosine = torch.nn.functional.cosine_similarity(*moved, dim=0)
    assert float(cosine) > 0.99


def test_what_others_put_there_stays() -> None:
    """A `forward` that somebody hung on the output layer is there again afterwards."""
    model = make("LlamaForCausalLM")
    before = model.lm_head.forward = lambda x: torch.nn.functional.linear(x, model.lm_head.weight)
    loss = LinearLoss(model)
    with loss.without_head():
        assert model(input_ids=IDS).logits.shape[-1] == 16
    assert model.lm_head.forward is before
    with pytest.raises(ValueError, match="input_ids"), loss.without_head():
        model()
    assert model.lm_head.forward is before


def test_refused() -> None:
    """Models that cannot be seen through raise, each saying why."""
    rule = "model must have a torch.nn.Linear as output layer, got "
    adapted = make("LlamaForCausalLM")
    adapted.lm_head = torch.nn.Sequential(adapted.lm_head)
    for model, message in (
        (torch.nn.Linear(2, 2), f"{rule}NoneType"),
        (make("BertForSequenceClassification"), f"{rule}NoneType"),
        (adapted, f"{rule}Sequential"),
        (
            make("BartForConditionalGeneration"),
            "model must have no bias beside its output layer, got final_logits_bias",
        ),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            LinearLoss(model)
    capped = make("Gemma2ForCausalLM")
    loss = LinearLoss(capped)
    with loss.without_head():
        outputs = capped(input_ids=IDS)
    message = "model must return the logits of its output layer as they are (ComputeLoss takes any)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}, got others$"):
        loss(outputs, LABELS)
    loss = LinearLoss(make("LlamaForCausalLM"))
    with loss.without_head():
        outputs = [loss.head(torch.zeros(1, 2, 16)) for _ in "12"]
    with pytest.raises(
        ValueError, match=r"^model must call its output layer once for each batch, got 2 calls$"
    ):
        loss(outputs, LABELS)
