"""Scores and targets of a metric: checked, and handed over a chunk of rows at a time."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

from softtargets._array import errors
from softtargets._array.axes import check_class_axis, row_shape, to_rows
from softtargets._array.checks import (
    check_bool,
    check_shape,
    check_values,
)
from softtargets._array.distributions import check_distributions
from softtargets._array.dtypes import FLOATING, check_floating, compute_dtype, dtype_name
from softtargets._array.host import from_view, numpy_views
from softtargets._array.kinds import is_array, is_numpy
from softtargets._array.namespaces import beside, check_follows, namespace_of
from softtargets._array.operations import as_column
from softtargets._array.traits import may_look, stop_gradient
from softtargets._array.trees import with_arrays
from softtargets.constants import IGNORE_INDEX
from softtargets.execution.plan import cut
from softtargets.losses.arguments import as_targets
from softtargets.targets.measures import refuse_bucket
from softtargets.targets.parts import Labels
from softtargets.targets.rows import Rows
from softtargets.targets.structure import normal_form
from softtargets.targets.value import Targets
from softtargets.typing import Array, Namespace, Scope

#: Entries of a chunk on the host: so much is held beside the scores.
CHUNK = 2**22
SCOPES = ("top", "classwise", "positive")


class Options(NamedTuple):
    """How scores and targets are to be read."""

    from_logits: bool
    scope: Scope = "top"
    where: Array | None = None
    ignore_index: int = IGNORE_INDEX
    axis: int = -1
    #: What the argument is called.
    name: str = "scores"
    #: Whether negative log-likelihood and Brier score of each row are wanted, too.
    proper: bool = False


class Examples(NamedTuple):
    """A chunk of rows: scores as a matrix, targets in normal form.

    ``labels`` are a column, None for targets of any other kind; ``kept`` and ``bad`` are columns
    of flags, None where they would be trivial.
    """

    xp: Namespace
    scores: Array
    dtype: object
    rows: Rows
    labels: Array | None
    kept: Array | None
    bad: Array | None

    @property
    def weights(self) -> Array:
        """The mass of each row before smoothing, 0 of rows that do not count, as a column."""
        xp, rows = self.xp, self.scores.shape[0]
        like = xp.zeros((1, 1), dtype=self.dtype, **beside(self.scores))
        return xp.broadcast_to(as_column(xp, self.rows.row_weight, like), (rows, 1))

    def some(self, block: slice) -> Self:
        """Return a block of the rows, without their scores."""

        def cut(column: Array | None) -> Array | None:
            return None if column is None else column[block, :]

        flags = (cut(column) for column in (self.labels, self.kept, self.bad))
        labels, kept, bad = flags
        return self._replace(rows=self.rows[block], labels=labels, kept=kept, bad=bad)


def seen_from_host(
    function: Callable[[Array, Any, Options], Any], scores: Array, targets: Any, options: Options
) -> Any:
    """Return ``function`` of the three, of tensors in host memory seen as NumPy arrays.

    Autograd records nothing.
    """
    scores = stop_gradient(scores)
    view = numpy_views(scores, (scores, targets, options))
    if view is None:
        return function(scores, targets, options)
    return with_arrays(function(view[0], view[1], Options(*view[2])), from_view)


def check_from_logits(from_logits: object) -> bool:
    """Return the flag; what is no flag at all may have been meant as something else."""
    if not isinstance(from_logits, bool):
        errors.bad_type("from_logits", "be True or False", type(from_logits).__name__)
    return from_logits


def chunks(scores: Array, targets: Any, options: Options) -> Iterator[Examples]:
    """Check everything, and yield the rows in chunks: on the host several, elsewhere one."""
    xp = namespace_of(scores, options.name)
    check_floating(scores, options.name)
    check_from_logits(options.from_logits)
    if options.scope == "positive":
        scores, targets, options = _as_two_classes(xp, scores, targets, options)
    axis = check_class_axis(scores, options.name, options.axis)
    shape = row_shape(tuple(scores.shape), axis)
    where = options.where
    if where is not None:
        check_follows(xp, scores, options.name, where, "where")
        check_bool(where, "where")
        context = f"the shape of {options.name} without its class axis"
        check_shape(where, "where", shape, context=context)
    if not options.from_logits:
        last = scores if axis == scores.ndim - 1 else xp.moveaxis(scores, axis, -1)
        check_distributions(xp, last, "scores", where)
    whole = _examples(xp, scores, targets, options, axis)
    return _cut(whole, scores, axis)


def _cut(whole: Examples, scores: Array, axis: int) -> Iterator[Examples]:
    xp, size = whole.xp, math.prod(scores.shape)
    if not is_numpy(scores) or size <= CHUNK:
        yield whole._replace(scores=to_rows(xp, scores, axis))
        return
    # Cut before the class axis is moved to the end, which copies.
    turned = axis == 0
    array = to_rows(xp, scores, axis) if turned else scores
    place = 1 if turned else axis
    count = array.shape[0]
    inner = math.prod(array.shape[1:]) // array.shape[place]
    for block in cut(count, size / CHUNK):
        part = whole.some(slice(block.start * inner, block.stop * inner))
        yield part._replace(scores=to_rows(xp, array[block], place))


def _examples(xp: Namespace, scores: Array, targets: Any, options: Options, axis: int) -> Examples:
    """Return all rows, with everything but the scores in its final form."""
    full = tuple(scores.shape)
    count, shape = full[axis], row_shape(full, axis)
    dtype = compute_dtype(xp, scores)
    zero = xp.zeros((1, 1), dtype=dtype, **beside(scores))
    like = xp.broadcast_to(zero, (math.prod(shape), count))
    where, labels, bad = options.where, None, None
    column = None if where is None else xp.reshape(where, (-1, 1))
    context = f"{options.name}: {full}, axis: {options.axis}"
    ignored, name = options.ignore_index, options.name
    value = as_targets(xp, scores, targets, axis, full, ignored, where, context, of=name)
    if not isinstance(targets, Targets) and isinstance(value.parts[0], Labels):
        labels, bad = (
            None if column is None else xp.reshape(column, (-1, 1))
            for column in (value.parts[0].labels, value.parts[0].bad)
        )
    rows = normal_form(value, like, where=column)
    refuse_bucket(rows)
    return Examples(xp, scores, dtype, rows, labels, rows.kept, bad)


def _as_two_classes(
    xp: Namespace, scores: Array, targets: Any, options: Options
) -> tuple[Array, Any, Options]:
    """Return scores of class 1 as those of two classes: the logit of class 0 is 0."""
    if not options.from_logits and may_look(scores):
        inside = (scores >= 0) & (scores <= 1)
        kept = inside if options.where is None else inside | ~options.where
        check_values(xp, scores, "scores", "be in [0, 1]", ~kept)
    if is_array(targets) and dtype_name(targets) in FLOATING and targets.shape == scores.shape:
        targets = xp.stack([1 - targets, targets], axis=-1)
    other = xp.zeros_like(scores) if options.from_logits else 1 - scores
    return xp.stack([other, scores], axis=-1), targets, options._replace(axis=-1)
