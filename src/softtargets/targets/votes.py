"""Targets from what several annotators say of each row."""

from softtargets._array import errors
from softtargets._array.checks import check_labels
from softtargets._array.namespaces import namespace_of
from softtargets._array.operations import quotient
from softtargets._array.scalars import check_real, widest_floating
from softtargets.targets.parts import Labels
from softtargets.typing import Amount, Array


def vote_part(
    votes: Array, num_classes: int, pseudocount: float, ignore_index: int
) -> tuple[Labels, Amount]:
    """Return one label for each vote, and the smoothing that the pseudocount amounts to.

    (n_k + a) / (n + a K) = (1 - e) n_k / n + e / K  with  e = a K / (n + a K).
    """
    xp = namespace_of(votes, "votes")
    index, kept, bad = check_labels(votes, num_classes, ignore_index, "votes")
    if votes.ndim == 0 or votes.shape[-1] == 0:
        rule = "have a last axis of at least one annotator"
        errors.bad_value("votes", rule, tuple(votes.shape))
    added = check_real(pseudocount, "pseudocount") * num_classes
    if kept is None:
        number = int(votes.shape[-1])
        return Labels(labels=index, weight=1 / number, base=1 / number), added / (number + added)
    wide = widest_floating(xp)
    given = xp.sum(xp.astype(kept, wide), axis=-1, keepdims=True)
    # A row without votes takes no part, whatever its weight is.
    weight = quotient(xp, 1.0, xp.where(given > 0, given, 1.0))
    part = Labels(labels=index, kept=kept, bad=bad, weight=weight, base=weight)
    if added == 0:
        return part, 0.0
    return part, quotient(xp, added, given + added)[..., 0]
