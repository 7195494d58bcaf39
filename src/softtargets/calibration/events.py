"""What a calibration metric is about: predictions, each a probability and whether it came true.

"top": one event per row, that the most probable class is right. "classwise": one per class and row.
"positive": one per row of scores of class 1 alone.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np

from softtargets._array.kinds import is_numpy, namespace
from softtargets._array.operations import is_label, pick
from softtargets._array.traits import quiet
from softtargets.calibration.inputs import Examples, Options, chunks
from softtargets.calibration.rowwise import logarithms, square_of_pass, squares
from softtargets.execution.summaries import Summary, row_columns
from softtargets.softmax.kernel import Pass, forward
from softtargets.softmax.state import Penalties
from softtargets.targets.rows import Rows
from softtargets.typing import Array


class Events(NamedTuple):
    """Columns of events, one per row or one per row and class.

    ``hit`` is 0 or 1, or if ``soft`` the probability of it. ``counts`` (a column) says which rows
    take part, None for all; ``sound`` which of those hold numbers. ``proper`` are the columns of
    negative log-likelihood and Brier score, where they are wanted.
    """

    confidence: Array
    hit: Array
    counts: Array | None
    sound: Array
    soft: bool
    proper: tuple[Array, ...] = ()

    def rows(self, block: slice) -> Self:
        """Return the events of some of the rows."""
        confidence, hit, counts, sound = (
            None if column is None else column[block, :] for column in self[:4]
        )
        return self._replace(confidence=confidence, hit=hit, counts=counts, sound=sound, proper=())


def events(scores: Array, targets: Any, options: Options) -> Iterator[Events]:
    """Yield the events of all rows, a chunk of rows at a time."""
    for some in chunks(scores, targets, options):
        confidence, hit, *proper = _of(some, options)
        xp = some.xp
        sound = ~xp.any(xp.isnan(confidence), axis=1, keepdims=True)
        if some.bad is not None:
            sound = sound & ~some.bad
        yield Events(confidence, hit, some.kept, sound, some.labels is None, tuple(proper))


def all_events(scores: Array, targets: Any, options: Options) -> Events:
    """Return the events of all rows together, for metrics that sort them."""
    found = list(events(scores, targets, options))
    if len(found) == 1:
        return found[0]
    xp = namespace(found[0].confidence)
    columns = (
        None if parts[0] is None else xp.concat(list(parts))
        for parts in zip(*(part[:4] for part in found), strict=True)
    )
    confidence, hit, counts, sound = columns
    return Events(confidence, hit, counts, sound, found[0].soft)


def _of(some: Examples, options: Options) -> tuple[Array, ...]:
    if options.scope == "top" and options.from_logits:
        return _top_of_logits(some, options.proper)
    p = probabilities(some, options.from_logits)
    if options.scope == "positive":
        return p[:, 1:], _one_hot(some, p)[:, 1:]
    if options.scope == "classwise":
        return p, _one_hot(some, p)
    found = (some.xp.max(p, axis=1, keepdims=True), _hits(some, some.rows, some.scores, p))
    if not options.proper:
        return found
    return (*found, logarithms(some, False), squares(some, False))


def probabilities(some: Examples, from_logits: bool) -> Array:
    """Return the matrix of probabilities in the compute dtype."""
    xp = some.xp
    x = xp.astype(some.scores, some.dtype, copy=False)
    if not from_logits:
        return x
    with quiet(xp):
        done = forward(xp, x, Rows(kept=some.kept))
        return done.exponentials / done.state.exp_sum


def _one_hot(some: Examples, p: Array) -> Array:
    xp = some.xp
    if some.labels is not None:
        return xp.astype(is_label(xp, some.labels, p.shape[1]), p.dtype)
    return some.rows.add_to(xp, xp.zeros_like(p))


def _hits(some: Examples, rows: Rows, scores: Array, like: Array) -> Array:
    """Return the mass of the targets at the class of the largest score, of equal ones the first."""
    xp = some.xp
    best = xp.argmax(scores, axis=1, keepdims=True)
    if len(rows.points) == 1 and some.labels is not None:
        return xp.astype(best == rows.points[0].labels, like.dtype)
    return pick(xp, rows.add_to(xp, xp.zeros_like(like)), best)


def _top_of_logits(some: Examples, proper: bool) -> tuple[Array, ...]:
    """Return  max p = 1 / sum e^(x - max x)  and the hits, from one pass."""
    xp = some.xp
    more = square_of_pass(some) if proper else None

    def summarize(x: Array, done: Pass, rows: Rows) -> tuple[Array, ...]:
        found = (1 / done.state.exp_sum, _hits_of_pass(some, x, done, rows))
        if more is None:
            return found
        # The last takes the exponentials over.
        return (*found, done.state.row_loss(Penalties()), *more(x, done, rows))

    task = Summary(xp, some.scores, some.rows, some.dtype, 4 if proper else 2, summarize)
    confidence, hit, *rest = row_columns(task)
    return confidence, xp.astype(hit, some.dtype, copy=False), *rest


def _hits_of_pass(some: Examples, x: Array, done: Pass, rows: Rows) -> Array:
    state = done.state
    if some.labels is None or not is_numpy(x):
        return _hits(some, rows, x, done.exponentials)
    # The label has the largest logit where it is 0 below it. Others may have it too, and the first
    # of them counts; the sum is 2 then or more.
    hit = state.target_dot == 0
    doubtful = (hit & (state.exp_sum >= 2))[:, 0]
    if doubtful.any() and np.count_nonzero(done.exponentials == 1) > hit.shape[0]:
        best = some.xp.argmax(x[doubtful, :], axis=1)
        labels = np.broadcast_to(rows.points[0].labels, hit.shape)
        hit[doubtful, 0] = best == labels[doubtful, 0]
    return hit
