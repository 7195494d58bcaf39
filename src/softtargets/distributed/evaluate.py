"""How a loss is evaluated whose classes several processes hold.

Each makes the states of its own classes; the states of all classes take two collectives, and the
gradient none. What has no classes elsewhere is evaluated as ever.
"""

from collections.abc import Callable
from typing import Any, cast

from softtargets._array import errors
from softtargets._array.autograd import may_be_recorded, recording, with_own_gradient
from softtargets._array.axes import from_rows
from softtargets._array.traits import quiet, unrecorded
from softtargets.distributed.groups import Group
from softtargets.distributed.places import Places, settle
from softtargets.execution.states import by_block, row_states, states_gradient
from softtargets.losses.evaluate import Call, States, value_and_gradient, value_of
from softtargets.losses.problem import Problem
from softtargets.softmax.loss import CrossEntropy
from softtargets.softmax.state import Penalties, RowState
from softtargets.typing import Array


def make_call(
    logits: Array, targets: Any, options: dict[str, Any], places: Places
) -> tuple[Call, Group | None]:
    """Return the call of this process's part, and who holds the other classes."""
    group, options = settle(places, lambda: logits, logits, targets, options)
    return Call(logits, targets, options), group


def sharded_value(call: Call, group: Group | None) -> Array:
    """Return the value of a loss, differentiable for the logits."""
    if group is None:
        return value_of(call)
    if may_be_recorded(call.logits):
        recorded = recording((call.logits,), call[1:3])
        refuse_more(recorded, "logits")
        if recorded == "first":
            return _with_gradient(call, group)
    return _value(call, group)


def sharded_value_and_gradient(call: Call, group: Group | None) -> tuple[Array, Array]:
    """Return the value and its gradient for the logits."""
    if group is None:
        return value_and_gradient(call)
    with unrecorded(call.logits):
        problem = call.problem()
        states = all_states(row_states(problem.work, moments(problem)), problem, group)
        matrix = states_gradient(problem.work, states, problem.reducer.scale())
        gradient = from_rows(problem.xp, matrix, tuple(call.logits.shape), problem.axis)
        return value_of_states(problem, states), gradient


def refuse_more(recorded: str, name: str) -> None:
    """Raise where more than first derivatives for the logits, or the layer, are recorded."""
    if recorded == "all":
        rule = "be all that is differentiated, outside of torch.func and torch.compile"
        errors.bad_type(name, rule, "another tensor that requires grad, or a transform")


def refuse_second(group: Group) -> None:
    """Raise where derivatives of the gradient would not reach the other processes."""
    if not group.differentiates:
        rule = "be a process group where gradients are differentiated"
        errors.bad_type("class_group", rule, type(group).__name__)


def penalties(problem: Problem) -> Penalties:
    """Return the penalties of a cross-entropy."""
    return cast("CrossEntropy", problem.loss).penalties


def moments(problem: Problem) -> int:
    """Return how many moments of the logits the loss needs."""
    return 1 if penalties(problem).uses_entropy else 0


def all_states(states: RowState, problem: Problem, group: Group) -> RowState:
    """Return the states of all classes from those of the classes of this process."""
    with quiet(problem.xp):
        return states.combined(group.maximum, group.sum)


def value_of_states(problem: Problem, states: RowState) -> Array:
    """Return the value from the states of all classes."""
    with quiet(problem.xp):
        return problem.reducer.value(states.row_loss(penalties(problem)))


def _value(call: Call, group: Group, *, expression: bool = False) -> Array:
    problem = call.problem(expression=expression)
    states = row_states(problem.work, moments(problem))
    return value_of_states(problem, all_states(states, problem, group))


def _with_gradient(call: Call, group: Group) -> Array:
    """Return the value, with its gradient for the logits in torch's graph."""
    rest = call.of(None)

    def plain(logits: Array) -> Array:
        refuse_second(group)
        return _value(rest.of(logits), group, expression=True)

    def forward(logits: Array) -> tuple[Array, States]:
        problem = rest.of(logits).problem()
        states = all_states(row_states(problem.work, moments(problem)), problem, group)
        return value_of_states(problem, states), States(problem, by_block(problem.work, states))

    def backward(kept: States, upstream: Array, inputs: Callable[[], tuple[Array]]) -> Any:
        return (kept.times(upstream, lambda: inputs()[0]),)

    return with_own_gradient(forward, backward, plain, (call.logits,), call[1:3])
