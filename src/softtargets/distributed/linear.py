"""How a loss of a linear layer is evaluated whose classes several processes hold.

The logits of a block of rows are made twice: for the states, and, when those of all classes are
known, for the gradient.
"""

from typing import Any

from softtargets._array.autograd import by_library, recording, with_own_gradient
from softtargets._array.axes import to_rows
from softtargets._array.loops import has_loop
from softtargets._array.traits import quiet, unrecorded
from softtargets.distributed.evaluate import (
    all_states,
    moments,
    refuse_more,
    refuse_second,
    value_of_states,
)
from softtargets.distributed.groups import Group
from softtargets.distributed.places import Places, settle
from softtargets.execution.linear import Linear
from softtargets.execution.states import linear_states, linear_states_gradients
from softtargets.losses.linear import (
    Gradients,
    LinearCall,
    check_layer,
    gradients_for,
    linear_value,
    linear_value_and_gradients,
    make_linear,
    scale_of,
)
from softtargets.losses.problem import Problem
from softtargets.softmax.state import RowState
from softtargets.typing import Amount, Array


def make_linear_call(call: LinearCall, places: Places) -> tuple[LinearCall, Group | None]:
    """Return the call of this process's part, and who holds the other classes."""

    def logits() -> Array:
        return check_layer(call)[0]

    group, options = settle(places, logits, call.features, call.targets, call.options)
    return call._replace(options=options), group


def sharded_linear_value(call: LinearCall, group: Group | None, *, reduce_features: bool) -> Array:
    """Return the value of a loss, differentiable for the layer."""
    if group is None:
        return linear_value(call)
    recorded = recording(call.layer, call[3:])
    refuse_more(recorded, "features, weight and bias")
    if recorded == "first":
        return _with_gradients(call, group, reduce_features=reduce_features)
    return _value(call, group)


def sharded_linear_value_and_gradients(
    call: LinearCall, group: Group | None, *, reduce_features: bool
) -> tuple[Array, Gradients]:
    """Return the value and its gradients for the layer."""
    if group is None:
        return linear_value_and_gradients(call)
    if has_loop(call.features):
        return by_library(lambda *layer: _value(call.with_layer(*layer), group), call.layer)
    with unrecorded(call.features):
        problem, linear = make_linear(call)
        states = _states(problem, linear, group)
        wanted = (True,) * len(call.layer)
        found = _gradients(call, problem, linear, states, wanted)
        return value_of_states(problem, states), _summed(found, group, reduce_features)


def _states(problem: Problem, linear: Linear, group: Group) -> RowState:
    with quiet(problem.xp):
        states = linear_states(linear, moments(problem))
    return all_states(states, problem, group)


def _value(call: LinearCall, group: Group, *, expression: bool = False) -> Array:
    problem, linear = make_linear(call, expression=expression)
    return value_of_states(problem, _states(problem, linear, group))


def _gradients(
    call: LinearCall,
    problem: Problem,
    linear: Linear,
    states: RowState,
    wanted: tuple[bool, ...],
    upstream: Amount = None,
) -> Gradients:
    """Return the gradients of this process's classes."""
    scale, flags = scale_of(problem, upstream), (*wanted, False)[:3]
    with quiet(problem.xp):
        found = linear_states_gradients(linear, states, scale, flags)
    return gradients_for(call, problem, found)


def _summed(found: Gradients, group: Group, reduce_features: bool) -> Gradients:
    """Return the gradients with those for the features added up over all classes."""
    features, *rest = found
    if features is not None and reduce_features:
        features = group.sum(features)
    return (features, *rest)


def _with_gradients(call: LinearCall, group: Group, *, reduce_features: bool) -> Array:
    """Return the value, with its gradients for the layer in torch's graph."""
    layer = call.layer
    rest = call.with_layer(None, None)
    wanted = tuple(x.requires_grad for x in layer)

    def plain(features: Array, *others: Array) -> Array:
        refuse_second(group)
        if reduce_features and features.requires_grad:
            features = group.replicated(features)
        return _value(rest.with_layer(features, *others), group, expression=True)

    def forward(*layer: Array) -> tuple[Array, Any]:
        problem, linear = make_linear(rest.with_layer(*layer))
        states = _states(problem, linear, group)
        # Torch holds the arrays of the layer; this must not, or they would be freed later.
        kept = problem, linear._replace(features=None, weight=None, bias=None), states
        return value_of_states(problem, states), kept

    def backward(kept: Any, upstream: Array, inputs: Any) -> Gradients:
        problem, linear, states = kept
        given = rest.with_layer(*inputs())
        row = None if given.bias is None else given.bias[None, :]
        matrix = to_rows(problem.xp, given.features, problem.axis)
        linear = linear._replace(features=matrix, weight=given.weight, bias=row)
        found = _gradients(given, problem, linear, states, wanted, upstream)
        return _summed(found, group, reduce_features)

    return with_own_gradient(forward, backward, plain, layer, rest)
