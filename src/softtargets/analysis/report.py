"""A record of where a loss stands: beside its minimum, without smoothing, and in logits."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from softtargets._array.axes import in_rows
from softtargets._array.host import from_view, numpy_views
from softtargets._array.namespaces import as_array
from softtargets._array.traits import quiet, unrecorded
from softtargets.analysis.rows import (
    before_smoothing,
    gaps,
    mass_at,
    minimal_losses,
    optimal_gaps,
)
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.arguments import stand_in
from softtargets.losses.problem import Problem, make_problem
from softtargets.softmax.kernel import forward
from softtargets.softmax.state import Penalties
from softtargets.targets.measures import refuse_bucket
from softtargets.targets.rows import Rows
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Spread

#: Keywords that say which rows and classes take part, and with which weight.
_PLACES = ("sample_weight", "where", "class_mask", "ignore_index", "axis")


class LossReport(NamedTuple):
    """What :func:`loss_report` found: 0-d arrays of the library of the logits, means over rows.

    Attributes
    ----------
    loss : array
        The cross-entropy as it is trained, with smoothing and class weights.
    minimum : array
        The smallest value that it can have with these targets.
    excess : array
        ``loss - minimum``: the mean of A KL(target || prediction).
    nll : array
        The negative log-likelihood: the loss without smoothing and class weights.
    accuracy : array
        The mass that the targets before smoothing give to the predicted class: for labels the
        fraction that is predicted.
    gap : array
        The logit of the label less the mean of the others.
    gap_std : array
        Its standard deviation over the rows.
    optimal_gap : array
        The gap where the loss is smallest, in closed form; infinite without smoothing.
    rows : array
        What the means from ``nll`` on divide by: the sum over rows of sample weight times mass
        before smoothing, which without weights is their number.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x, y = np.array([[4.0, 0.0, 0.0], [0.0, 1.0, 0.5]]), np.array([0, 1])
    >>> print(st.analysis.loss_report(x, y, label_smoothing=0.1))
    loss 0.5165 = minimum 0.2911 + excess 0.2253, nll 0.3581, accuracy 1.0000, \
gap 2.3750 +- 1.6250 (optimal 3.3322), rows 2
    """

    loss: Array
    minimum: Array
    excess: Array
    nll: Array
    accuracy: Array
    gap: Array
    gap_std: Array
    optimal_gap: Array
    rows: Array

    def __str__(self) -> str:
        n = {name: float(value) for name, value in self._asdict().items()}
        return (
            f"loss {n['loss']:.4f} = minimum {n['minimum']:.4f} + excess {n['excess']:.4f}, "
            f"nll {n['nll']:.4f}, accuracy {n['accuracy']:.4f}, gap {n['gap']:.4f} +- "
            f"{n['gap_std']:.4f} (optimal {n['optimal_gap']:.4f}), rows {n['rows']:g}"
        )


def loss_report(
    logits: Array,
    targets: Array | Targets,
    *,
    label_smoothing: Amount = 0.0,
    prior: Array | None = None,
    spread: Spread = "all",
    class_weight: Array | None = None,
    sample_weight: Array | None = None,
    where: Array | None = None,
    class_mask: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> LossReport:
    """Return the loss, what of it is left to gain, and how far the logits have come, for a log.

    Losses of different smoothing cannot be compared, since each has a minimum of its own. What lies
    above it can, and so can the unsmoothed negative log-likelihood, the accuracy, and the logit gap
    beside its closed form. All of it comes from one pass over the logits, in blocks.

    Parameters
    ----------
    logits, targets, label_smoothing, prior, spread, class_weight, sample_weight, where, class_mask
    ignore_index, axis
        As for :func:`~softtargets.cross_entropy`.

    Returns
    -------
    LossReport
        0-d arrays of the library and the device of ``logits``, float64 for float64 logits and
        float32 for others. Nothing is recorded for a gradient, and no device is waited for.
        ``loss``, ``minimum`` and ``excess`` have the denominator of the mean of
        :func:`~softtargets.cross_entropy`; the others are means over rows with their sample weight
        and mass.

    Raises
    ------
    TypeError, ValueError
        As :func:`~softtargets.cross_entropy`, and for top-k targets with a tail bucket, which has a
        mass that belongs to no single class.

    Notes
    -----
    An excess near 0 says that the training rows are fitted as well as this loss lets them be, and
    nothing of other data. Rows whose gaps differ much are not at the optimum, even if the mean gap
    is: compare the standard deviation. For targets of several classes the gap weighs their logits
    with their mass; classes without any mass make its closed form infinite.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(8, 5)), rng.integers(0, 5, 8)
    >>> report = st.analysis.loss_report(x, y, label_smoothing=0.1)
    >>> round(float(report.loss), 6) == round(float(st.cross_entropy(x, y, label_smoothing=0.1)), 6)
    True
    >>> {name: round(float(value), 3) for name, value in report._asdict().items()}
    {'loss': 1.864, 'minimum': 0.39, 'excess': 1.475, 'nll': 1.869, 'accuracy': 0.125,
     'gap': -0.055, 'gap_std': 0.781, 'optimal_gap': 3.829, 'rows': 8.0}
    """
    options = {
        "label_smoothing": label_smoothing,
        "prior": prior,
        "spread": spread,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
        "where": where,
        "class_mask": class_mask,
        "ignore_index": ignore_index,
        "axis": axis,
    }
    with unrecorded(logits):
        views = numpy_views(logits, (logits, targets, options))
        if views is None:
            return LossReport(*_numbers(logits, targets, options))
        return LossReport(*(from_view(number) for number in _numbers(*views)))


def _numbers(logits: Array, targets: Array | Targets, options: dict[str, Any]) -> Iterator[Array]:
    """Yield the fields of a report."""
    problem = make_problem(logits, targets, **options)
    places = {name: value for name, value in options.items() if name in _PLACES}
    plain = make_problem(logits, before_smoothing(targets), **places)
    refuse_bucket(problem.rows)
    xp, base, mean = problem.xp, plain.rows, plain.reducer.value
    like = stand_in(xp, problem.matrix, problem.matrix.shape[1], problem.dtype)
    losses, hard, hits, found = _columns(problem, base)
    with quiet(xp):
        loss = problem.reducer.value(losses)
        minimum = problem.reducer.value(minimal_losses(xp, problem.rows, like))
        gap = mean(found)
        mass = base.mass
        offset = found - mass * gap
        # found is the gap of a row times its mass.
        square = offset * offset / xp.where(offset == 0, 1.0, mass)
        yield from (loss, minimum, loss - minimum, mean(hard), mean(hits), gap)
        yield xp.sqrt(mean(square))
        yield mean(optimal_gaps(xp, problem.rows, base, like))
    yield as_array(xp, plain.reducer.denominator, problem.dtype, logits)


def _columns(problem: Problem, base: Rows) -> list[Array]:
    """Return columns of losses, unsmoothed losses, mass that is right, and gaps: one pass."""
    xp, plan = problem.xp, problem.work.plan
    if plan is None:
        return list(_of_block(problem, problem.matrix, problem.rows, base))
    blocks = [
        _of_block(problem, problem.matrix[block, :], problem.rows[block], base[block])
        for block in plan.blocks
    ]
    if len(blocks) == 1:
        return list(blocks[0])
    return [xp.concat(list(columns)) for columns in zip(*blocks, strict=True)]


def _of_block(problem: Problem, matrix: Array, rows: Rows, base: Rows) -> tuple[Array, ...]:
    xp = problem.xp
    with quiet(xp):
        x = in_rows(xp, xp.astype(matrix, problem.dtype, copy=False))
        done = forward(xp, x, rows)
        z, state = done.shifted, done.state
        hard = state._replace(target_dot=base.dot(xp, z), target_mass=base.mass, tails=())
        best = xp.argmax(z, axis=1, keepdims=True)
        return (
            state.row_loss(Penalties()),
            hard.row_loss(Penalties()),
            mass_at(xp, base, best),
            gaps(xp, base, z, rows.allowed),
        )
