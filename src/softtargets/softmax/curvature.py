"""Second derivatives of the cross-entropy of a block of rows: the diagonal of the Hessian."""

from softtargets._array.operations import as_column, product
from softtargets.softmax.kernel import Pass
from softtargets.softmax.state import Penalties
from softtargets.typing import Amount, Array, Namespace


def curvature(xp: Namespace, done: Pass, penalties: Penalties, scale: Amount = 1.0) -> Array:
    """Return ``scale`` times the second derivative of each row's loss for each of its logits:
    A p (1 - p), and the penalties'. Call it before the gradient, which may use up the pass.
    """
    state, z, e = done.state, done.shifted, done.exponentials
    exp_sum = xp.where(state.exp_sum == 0, xp.nan, state.exp_sum)
    p = e / exp_sum
    spread = p * ((exp_sum - e) / exp_sum)
    mass = as_column(xp, state.total_mass, e)
    if penalties.uses_logsumexp:
        weight = 2 * state.row_weight * penalties.z_loss
        mass = mass + weight * state.logsumexp()
    result = mass * spread
    if penalties.uses_logsumexp:
        result = result + weight * p**2
    if penalties.uses_entropy:
        weight = state.entropy_weight(penalties)
        surprise = state.entropy() - state.log_exp_sum()
        log = product(xp, p, z) + p * surprise  # p (log p + H)
        result = result + weight * (log + p - p * (2 * log + p))
    for tail, rest in zip(state.tails, done.tails, strict=True):
        share = rest / xp.where(tail.exp_sum == 0, 1.0, tail.exp_sum)
        result = result - tail.amount * share * (1 - share)
    return scale * result
