"""Tiny models of transformers, made from configurations, and trainers for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

VOCABULARY, LENGTH = 60, 7
BERT = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
LLAMA = {name: BERT[name] for name in list(BERT)[:4]}


def make(name: str, **more: Any) -> Any:
    """Return a small model with weights of a fixed seed and no dropout."""
    words = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 1, **more}
    if name.startswith("Bert"):
        config = transformers.BertConfig(**{**BERT, **words})
    elif name.startswith("GPT2"):
        drop = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 16}
        config = transformers.GPT2Config(**sizes, **drop, **words)
    elif name.startswith("T5"):
        sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
        start = {"decoder_start_token_id": 0, "pad_token_id": 0, "dropout_rate": 0.0}
        config = transformers.T5Config(**sizes, **start, **words)
    elif name.startswith("Bart"):
        sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16}
        heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 16}
        config = transformers.BartConfig(**sizes, **heads, **words)
    elif name.startswith("Gemma2"):
        sizes = {**LLAMA, "num_key_value_heads": 2, "head_dim": 8, "final_logit_softcapping": 5.0}
        config = transformers.Gemma2Config(**sizes, **words)
    else:
        config = transformers.LlamaConfig(**LLAMA, **words)
    torch.manual_seed(0)
    return getattr(transformers, name)(config)


def rows(count: int, *, classes: int | None = None) -> list[dict[str, Any]]:
    """Return inputs with as many labels that count as the row says: 1, 2, ... 7, 1, ..."""
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(2, VOCABULARY, (count, LENGTH), generator=generator)
    labels = ids.clone()
    for i in range(count):
        labels[i, : LENGTH - 2 - i % (LENGTH - 2)] = -100
    if classes is not None:
        labels = ids[:, 0] % classes
    return [{"input_ids": a, "labels": b} for a, b in zip(ids, labels, strict=True)]


def trainer(
    model: Any,
    data: list[dict[str, Any]],
    folder: Path,
    *,
    kind: Any = None,
    batch: int = 8,
    steps: int = 2,
    compute_loss_func: Any = None,
    **arguments: Any,
) -> Any:
    """Return a trainer on the host that takes plain gradient steps of 8 rows in all."""
    settings = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=8 // batch,
        max_steps=steps,
        optim="sgd",
        learning_rate=0.5,
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **arguments,
    )
    return (kind or transformers.Trainer)(
        model=model,
        args=settings,
        train_dataset=data,
        eval_dataset=data,
        compute_loss_func=compute_loss_func,
    )


def trained(*arguments: Any, **options: Any) -> tuple[Any, list[float]]:
    """Return the weights as one vector and the logged losses after training."""
    made = trainer(*arguments, **options)
    made.train()
    weights = torch.cat([p.detach().reshape(-1) for p in made.model.parameters()])
    return weights, [entry["loss"] for entry in made.state.log_history if "loss" in entry]
