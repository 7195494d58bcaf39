"""Mixup and cutmix of batches, drawn from a generator of torch."""

from typing import Any

import numpy as np
import torch

from softtargets._array import errors
from softtargets._array.checks import check_count
from softtargets._array.scalars import check_real, check_share
from softtargets.targets.forms import as_value
from softtargets.targets.mixup import cutmix, mixup
from softtargets.targets.value import Targets
from softtargets.typing import Array, Pairing, Unit


class Mixup(torch.nn.Module):
    """Mixes the inputs and the targets of a batch, by mixup or by cutmix, while it trains.

    The targets are :class:`~softtargets.Targets`: two labels and two weights per row. With both
    kinds of mixing, each batch is mixed by one of them.

    Parameters
    ----------
    num_classes : int
        The number of classes K.
    alpha : number, default 1.0
        Of mixup: its shares are drawn from Beta(alpha, alpha). 0: no mixup.
    cutmix_alpha : number, default 0.0
        Of cutmix, likewise.
    cutmix_share : number, default 0.5
        The share of the batches that get cutmix, where there is both.
    per : {"batch", "pair", "row"}, default "batch"
        What gets a draw of its own; "pair" needs ``pairing="flip"``.
    pairing : {"permutation", "flip", "roll"}, default "permutation"
        The partner of row i: any row, each once; row N - 1 - i; row i - 1.
    axes : sequence of int, default (-2, -1)
        The axes in which the boxes of cutmix lie.
    generator : torch.Generator, optional
        Where the random numbers come from, best in host memory: from one on a device they are
        fetched. If not given, torch's own, which ``torch.manual_seed`` sets.

    Notes
    -----
    Called with inputs and targets (labels, distributions or ``Targets``) it returns inputs of the
    same shape, dtype and device, and ``Targets``. In ``eval()`` mode nothing is mixed.
    The state of the generator decides all that is drawn. It works as ``collate_fn``, too:
    ``lambda rows: mix(*default_collate(rows))``.

    Raises
    ------
    TypeError, ValueError
        If an option is out of range, both kinds are switched off, or a batch does not fit.

    Examples
    --------
    >>> import torch
    >>> from softtargets.torch import CrossEntropyLoss, Mixup
    >>> mix = Mixup(3, alpha=0.2, generator=torch.Generator().manual_seed(0))
    >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 1])
    >>> images, targets = mix(images, labels)
    >>> targets
    Targets(shape=(4, 3): labels, labels)
    >>> logits = torch.nn.Flatten()(images) @ torch.zeros(192, 3)
    >>> CrossEntropyLoss(label_smoothing=0.1)(logits, targets)
    tensor(1.0986)

    References
    ----------
    H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018, section 2. S. Yun et al.,
    "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019,
    equations 1 and 2.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        alpha: float = 1.0,
        cutmix_alpha: float = 0.0,
        cutmix_share: float = 0.5,
        per: Unit = "batch",
        pairing: Pairing = "permutation",
        axes: tuple[int, ...] = (-2, -1),
        generator: Any = None,
    ) -> None:
        super().__init__()
        self.num_classes = check_count(num_classes, "num_classes")
        self.alpha = check_real(alpha, "alpha")
        self.cutmix_alpha = check_real(cutmix_alpha, "cutmix_alpha")
        self.cutmix_share = check_share(cutmix_share, "cutmix_share")
        if not (self.alpha or self.cutmix_alpha):
            errors.bad_value("alpha", "be above 0 where cutmix_alpha is 0", alpha)
        if not (generator is None or isinstance(generator, torch.Generator)):
            rule = "be a torch.Generator or None"
            errors.bad_type("generator", rule, type(generator).__name__)
        self.per, self.pairing, self.axes = per, pairing, axes
        self.generator = generator

    def forward(self, inputs: Array, targets: Array | Targets) -> tuple[Array, Targets]:
        """Return the mixed inputs and their targets."""
        if not self.training:
            return inputs, as_value(targets, self.num_classes)
        rng = np.random.default_rng(self._seed())
        options: dict[str, Any] = {
            "per": self.per,
            "pairing": self.pairing,
            "num_classes": self.num_classes,
            "rng": rng,
        }
        if not self.alpha or (self.cutmix_alpha and rng.random() < self.cutmix_share):
            return cutmix(inputs, targets, alpha=self.cutmix_alpha, axes=self.axes, **options)
        return mixup(inputs, targets, alpha=self.alpha, **options)

    def _seed(self) -> int:
        """Return a seed of 63 bits, drawn from the generator."""
        device = "cpu" if self.generator is None else self.generator.device
        drawn = torch.randint(2**63 - 1, (), generator=self.generator, device=device)
        return int(drawn)

    def extra_repr(self) -> str:
        """Return the options, as torch prints them."""
        names = ("num_classes", "alpha", "cutmix_alpha", "cutmix_share", "per", "pairing")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)
