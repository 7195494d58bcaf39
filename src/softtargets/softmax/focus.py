"""Cross-entropies whose terms weigh otherwise: by (1 - p)^gamma, or with a term in 1 - p more."""

from dataclasses import dataclass

from softtargets.softmax.divergence import Pointwise
from softtargets.typing import Amount, Array, Namespace


@dataclass(frozen=True)
class Focal(Pointwise):
    """-sum a (1 - p)^gamma log p."""

    gamma: Amount

    def terms(
        self, xp: Namespace, p: Array, log_p: Array, a: Array, q: Array, w: Amount
    ) -> tuple[Array, Array]:
        """Return the share of each class in the loss, and its derivative."""
        log_p = xp.where(a == 0, 0.0, log_p)
        rest = -xp.expm1(log_p)
        sure = rest == 0  # whatever gamma is, nothing is left there
        rest = xp.where(sure, 1.0, rest)
        power = xp.where(sure, 0.0, rest**self.gamma)
        odds = p * xp.where(p == 0, 0.0, log_p) / rest
        return -a * power * log_p, a * power * (self.gamma * odds - 1)


@dataclass(frozen=True)
class Poly(Pointwise):
    """sum a (-log p + strength (1 - p))."""

    strength: Amount

    def terms(
        self, xp: Namespace, p: Array, log_p: Array, a: Array, q: Array, w: Amount
    ) -> tuple[Array, Array]:
        """Return the share of each class in the loss, and its derivative."""
        log_p = xp.where(a == 0, 0.0, log_p)
        losses = a * (self.strength * -xp.expm1(log_p) - log_p)
        return losses, -a * (1 + self.strength * p)
