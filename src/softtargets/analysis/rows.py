"""What single rows strive for and where they are: minimal loss, logit gap, mass at a prediction.

A row with the base target q0 (of mass M, before smoothing and class weights) and logits x has the
gap (<q0, x> - M mean x) K / (K - 1): for a label its logit less the mean of the others.
"""

from softtargets._array.namespaces import is_number
from softtargets._array.operations import as_column, log_of, pick
from softtargets._array.sums import row_sums, total
from softtargets.targets.measures import row_blocks, row_entropies
from softtargets.targets.rows import Rows, log_or_zero
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Namespace


def before_smoothing(targets: Array | Targets) -> Array | Targets:
    """Return targets without smoothing and class weights; arrays have none."""
    return targets._before_smoothing() if isinstance(targets, Targets) else targets


def minimal_losses(xp: Namespace, rows: Rows, like: Array) -> Array:
    """Return the smallest loss of each row, A log A - sum a log a, as a column."""
    mass = as_column(xp, rows.mass, like)
    return mass * log_or_zero(xp, mass) + row_entropies(xp, rows, like)


def gaps(xp: Namespace, base: Rows, logits: Array, allowed: Array | None) -> Array:
    """Return the gap of each row times M; masked classes are -inf in the logits."""
    count: Amount = logits.shape[1]
    if allowed is not None:
        logits = xp.where(allowed, logits, 0.0)
        count = row_sums(xp, xp.astype(allowed, logits.dtype))
    mean = row_sums(xp, logits) / count
    return _factor(xp, count) * (base.dot(xp, logits) - base.mass * mean)


def _factor(xp: Namespace, count: Amount) -> Amount:
    """Return K / (K - 1); nan for a class without others."""
    if is_number(count):
        return count / (count - 1) if count > 1 else float("nan")
    return xp.where(count > 1, count / xp.where(count > 1, count - 1, 1.0), xp.nan)


def optimal_gaps(xp: Namespace, rows: Rows, base: Rows, like: Array) -> Array:
    """Return the gap of each row, times M, where its loss is smallest; 0 for rows without mass."""
    masses = rows.two_masses()
    if masses is not None and like.shape[1] > 1:
        mass = as_column(xp, base.mass, like)
        own, other = (xp.where(mass == 0, 1.0, as_column(xp, m, like)) for m in masses)
        found = mass * (log_of(xp, own) - log_of(xp, other))
        return xp.broadcast_to(found, (like.shape[0], 1))
    blocks = []
    for block in row_blocks(like):
        part = base[block]
        a, _ = rows[block].dense(xp, like[block, :])
        # The logits of rows without mass are equal: no infinities to multiply by 0.
        a = xp.where(as_column(xp, part.mass, like) == 0, 1.0, a)
        allowed = None if rows.allowed is None else rows[block].allowed
        blocks.append(gaps(xp, part, log_of(xp, a), allowed))
    return blocks[0] if len(blocks) == 1 else xp.concat(blocks)


def mass_at(xp: Namespace, rows: Rows, classes: Array) -> Array:
    """Return the mass of each row at one class, a column; ``classes`` is one of labels."""
    found = 0.0
    for point in rows.points:
        hits = xp.where(point.labels == classes, point.amount, 0.0)
        found = found + total(xp, hits, point.labels.shape[1])
    for vector in rows.vectors:
        u = xp.broadcast_to(vector.u, (classes.shape[0], vector.u.shape[1]))
        found = found + vector.amount * pick(xp, u, classes)
    return found
