"""The loss for the Trainer: which labels it takes, what it divides by, and what training gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import softtargets as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from softtargets.transformers import ComputeLoss, shifts_labels  # noqa: E402
from tests.frameworks.models import VOCABULARY, make, rows, trained, trainer  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning"),
]
MODELS = {
    "LlamaForCausalLM": True,
    "GPT2LMHeadModel": True,
    "BertForMaskedLM": False,
    "BertForTokenClassification": False,
    "BertForSequenceClassification": False,
    "T5ForConditionalGeneration": False,
}


def batch_of(data: list[dict[str, Any]]) -> tuple[Any, Any]:
    return tuple(torch.stack([row[key] for row in data]) for key in ("input_ids", "labels"))


@pytest.mark.parametrize("name", MODELS)
def test_loss_of_the_model(name: str) -> None:
    """Without options it is the loss of the model, with its labels shifted or not."""
    classes = {"num_labels": VOCABULARY} if name == "BertForTokenClassification" else {}
    sequence = name == "BertForSequenceClassification"
    model = make(name, **({"num_labels": 5} if sequence else classes))
    ids, labels = batch_of(rows(4, classes=5 if sequence else None))
    assert shifts_labels(model) is MODELS[name]
    compute_loss = ComputeLoss.for_model(model)
    assert compute_loss.shift is MODELS[name]
    want = model(input_ids=ids, labels=labels)
    found = compute_loss(want, labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, want.loss, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(compute_loss((want.logits,), labels), found, rtol=0, atol=0)
    if not sequence:
        other = ComputeLoss(shift=not MODELS[name])(want, labels)
        assert abs(float((other - found).detach())) > 1e-4


def test_kinds_of_models() -> None:
    """An adapter is looked into; of a model that transformers does not know nothing is guessed."""

    class Adapter:
        def get_base_model(self) -> Any:
            return make("GPT2LMHeadModel")

    assert shifts_labels(Adapter()) is True
    message = "model must be of a kind that transformers has a loss for (or give shift), got Linear"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ComputeLoss.for_model(torch.nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("name", "amount", "batch"),
    [
        ("LlamaForCausalLM", 0.0, 4),
        ("LlamaForCausalLM", 0.1, 4),
        ("GPT2LMHeadModel", 0.0, 4),
        ("BertForMaskedLM", 0.0, 8),  # its own loss does not look at the count
        ("BertForMaskedLM", 0.1, 4),
    ],
)
def test_training_as_the_trainer(name: str, amount: float, batch: int, tmp_path: Path) -> None:
    """The Trainer's own loss, and its own smoothing, leave the same weights and log the same."""
    data = rows(16)
    own = trained(make(name), data, tmp_path, batch=batch, label_smoothing_factor=amount)
    model = make(name)
    compute_loss = ComputeLoss.for_model(model, label_smoothing=amount)
    mine = trained(model, data, tmp_path, batch=batch, compute_loss_func=compute_loss)
    torch.testing.assert_close(mine[0], own[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mine[1], own[1], rtol=1e-4)
    start = torch.cat([p.detach().reshape(-1) for p in make(name).parameters()])
    assert float((mine[0] - start).abs().max()) > 0.01


def test_accumulation(tmp_path: Path) -> None:
    """Eight rows at once, four times two and twice four are the same step, although the rows differ
    in how many of their labels count; dividing each micro-batch by its own count is not.
    """
    data = rows(16)

    def run(batch: int, **options: Any) -> Any:
        compute_loss = ComputeLoss(shift=True, label_smoothing=0.1, z_loss=1e-3, **options)
        return trained(
            make("LlamaForCausalLM"), data, tmp_path, batch=batch, compute_loss_func=compute_loss
        )

    whole = run(8)
    for batch in (4, 2):
        parts = run(batch)
        torch.testing.assert_close(parts[0], whole[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(parts[1], whole[1], rtol=1e-4)

    class Forgetful(ComputeLoss):
        def __call__(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
            return super().__call__(outputs, labels) / 4

    wrong = trained(
        make("LlamaForCausalLM"),
        data,
        tmp_path,
        batch=2,
        compute_loss_func=Forgetful(shift=True, label_smoothing=0.1, z_loss=1e-3),
    )
    assert float((wrong[0] - whole[0]).abs().max()) > 1e-3


def test_evaluation(tmp_path: Path) -> None:
    """The loss of an evaluation has the smoothing in it, or is the negative log-likelihood."""
    data = rows(8)
    model = make("LlamaForCausalLM")
    ids, labels = batch_of(data)
    plain = float(model(input_ids=ids, labels=labels).loss.detach())
    for wanted in (False, True):
        compute_loss = ComputeLoss(shift=True, label_smoothing=0.3, plain_evaluation=wanted)
        smoothed = float(compute_loss(model(input_ids=ids), labels).detach())
        assert smoothed != pytest.approx(plain, rel=1e-4)
        found = trainer(model, data, tmp_path, compute_loss_func=compute_loss).evaluate()
        assert (found["eval_loss"] == pytest.approx(plain, rel=1e-5)) is wanted


def test_options() -> None:
    """Options are those of the core; arrays of NumPy go where the logits are."""
    generator = np.random.default_rng(4)
    logits = torch.asarray(generator.standard_normal((3, 5, 4)), dtype=torch.float32)
    labels = torch.asarray(generator.integers(0, 4, (3, 5)))
    labels[0, :4] = -100
    options = {
        "label_smoothing": 0.2,
        "prior": np.array([0.4, 0.3, 0.3, 0.0]),
        "class_weight": torch.tensor([1.0, 2.0, 3.0, 4.0]),
        "z_loss": 0.01,
        "confidence_penalty": 0.1,
        "entropy_threshold": 0.5,
    }
    tensors = {
        k: torch.as_tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()
    }
    found = ComputeLoss(shift=False, **options)({"logits": logits}, labels)
    torch.testing.assert_close(found, st.cross_entropy(logits, labels, **tensors))
    shifted = ComputeLoss(shift=True, **options)({"logits": logits}, labels)
    want = st.cross_entropy(logits[:, :-1], labels[:, 1:], **tensors)
    torch.testing.assert_close(shifted, want)
    mask = np.array([True, True, True, False])
    plain = ComputeLoss(shift=False, class_mask=mask, plain_evaluation=True, label_smoothing=0.1)
    labels = torch.where(labels == 3, -100, labels)
    with torch.no_grad():
        found = plain({"logits": logits}, labels)
    torch.testing.assert_close(found, st.cross_entropy(logits[..., :3], labels))


def test_counts() -> None:
    """The count may be a number or any tensor; of nothing at all loss and gradient are 0."""
    logits = torch.tensor([[1.0, 2.0, 3.0], [3.0, 0.0, 0.0]], requires_grad=True)
    labels = torch.tensor([0, 1])
    compute_loss = ComputeLoss(shift=False)
    whole = st.cross_entropy(logits, labels, reduction="sum")
    for count in (4, torch.tensor(4), torch.tensor(4.0), torch.tensor([[4], [4]])):
        torch.testing.assert_close(compute_loss({"logits": logits}, labels, count), whole / 4)
    # The Trainer counts each entry of a distribution.
    q = torch.eye(3)[labels]
    entries = torch.tensor(q.numel())
    torch.testing.assert_close(compute_loss({"logits": logits}, q, entries), whole / 2)
    for nothing in (0, torch.tensor(0)):
        loss = compute_loss({"logits": logits}, torch.full((2,), -100), nothing)
        assert float(loss.detach()) == 0
        (gradient,) = torch.autograd.grad(loss, logits)
        assert not gradient.any()


@pytest.mark.parametrize(
    ("shift", "labels", "message"),
    [
        (False, None, "labels must be among the inputs of the model, got None"),
        (
            True,
            torch.ones(1, 2, 3) / 3,
            "labels must have an integer dtype where they are shifted, got torch.float32",
        ),
    ],
)
def test_messages_of_labels(shift: bool, labels: Any, message: str) -> None:
    """No labels, and distributions that would have to be shifted, raise."""
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        ComputeLoss(shift=shift)({"logits": torch.zeros(1, 2, 3)}, labels)
