"""What the modules of softmax losses are told once, beside what torch's classes are told."""

from typing import Any

import torch

from softtargets.typing import Amount, Array, Spread


class SoftmaxOptions(torch.nn.Module):
    """What a softmax loss is told once, beside what torch's class is told."""

    def set_options(
        self,
        prior: Array | None,
        spread: Spread,
        class_mask: Array | None,
        numbers: dict[str, Amount | None],
    ) -> None:
        """Keep the options that torch's class does not have."""
        self.register_buffer("prior", prior, persistent=False)
        self.register_buffer("class_mask", class_mask, persistent=False)
        self.spread = spread
        for name, value in numbers.items():
            setattr(self, name, value)

    def call_options(self, label_smoothing: Amount | None) -> dict[str, Any]:
        """Return what the function is called with, perhaps with another smoothing."""
        return {
            "weight": self.weight,
            "reduction": self.reduction,
            "ignore_index": self.ignore_index,
            "label_smoothing": self.label_smoothing if label_smoothing is None else label_smoothing,
            "prior": self.prior,
            "spread": self.spread,
            "class_mask": self.class_mask,
            "z_loss": self.z_loss,
            "confidence_penalty": self.confidence_penalty,
            "entropy_threshold": self.entropy_threshold,
        }

    def printed(self) -> list[str]:
        """Return the options that are not as in torch, as they are printed."""
        found = [
            f"{name}=Tensor{tuple(buffer.shape)}"
            for name in ("prior", "class_mask")
            if (buffer := getattr(self, name)) is not None
        ]
        for name, default in (
            ("spread", "all"),
            ("z_loss", 0.0),
            ("confidence_penalty", 0.0),
            ("entropy_threshold", None),
        ):
            value = getattr(self, name)
            if isinstance(value, torch.Tensor) or value != default:
                found.append(f"{name}={value}")
        return found
