"""How the softmax losses of logits are evaluated: checked arguments in, value and gradient out.

Torch tensors in host memory are computed on as NumPy arrays of the same memory; torch's autograd
gets the analytic gradient, and the plain expression where more than that is asked for.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

from softtargets._array.autograd import may_be_recorded, recording, with_own_gradient
from softtargets._array.axes import from_rows, to_rows
from softtargets._array.host import from_view, numpy_views, was_changed
from softtargets._array.kinds import is_numpy
from softtargets._array.traits import may_look, unrecorded
from softtargets.execution.run import (
    row_gradient,
    row_losses,
    row_losses_and_derivatives,
    row_losses_and_gradient,
    row_losses_and_states,
)
from softtargets.losses.problem import Problem, make_problem
from softtargets.losses.remembered import problem_of
from softtargets.typing import Array


class Call(NamedTuple):
    """The arguments of one call of a loss, and what makes a problem of them."""

    logits: Array
    targets: Any
    options: dict[str, Any]
    make: Callable[..., Problem] = make_problem

    def of(self, logits: Array | None) -> "Call":
        """Return the same call of other logits."""
        return Call(logits, self.targets, self.options, self.make)

    def with_views(self, views: Any) -> "Call":
        """Return the same call of views of its arrays."""
        logits, targets, options = views
        return Call(logits, targets, options, self.make)

    def problem(self, *, expression: bool = False) -> Problem:
        """Return the problem: checked, and in matrix form."""
        if expression:
            return self.make(self.logits, self.targets, **self.options, expression=True)
        return problem_of(*self)


def value_of(call: Call) -> Array:
    """Return the value of a loss, differentiable where the library is."""
    if not may_be_recorded(call.logits):
        return _value(call)
    recorded = recording((call.logits,), call[1:3])
    if recorded == "all":
        return _value(call, expression=True)
    if recorded == "first":
        return _with_gradient(call)
    view = numpy_views(call.logits, call[:3])
    return _value(call) if view is None else from_view(_value(call.with_views(view)))


def value_and_gradient(call: Call, out: Array | None = None) -> tuple[Array, Array]:
    """Return the value and its gradient for the logits, which is written into ``out`` if given."""
    if not may_be_recorded(call.logits):
        return _value_and_gradient(call, out)
    with unrecorded(call.logits):
        if recording((call.logits,), call[1:3]) == "all":
            return _value_and_gradient(call, out, expression=True)
        return _of_plain_arrays(call, out)


def _of_plain_arrays(call: Call, out: Array | None = None) -> tuple[Array, Array]:
    """Return the value and its gradient where nothing is recorded."""
    view = numpy_views(call.logits, (call[:3], out))
    if view is None:
        return _value_and_gradient(call, out)
    value, gradient = _value_and_gradient(call.with_views(view[0]), view[1])
    if out is None:
        return from_view(value), from_view(gradient)
    was_changed(out)
    return from_view(value), out


def _value_and_gradient(
    call: Call, out: Array | None, *, expression: bool = False
) -> tuple[Array, Array]:
    problem = call.problem(expression=expression)
    buffer = None if out is None else _as_buffer(problem, out)
    reducer = problem.reducer
    later = (reducer.sample_weight, reducer.denominator)
    losses, matrix = row_losses_and_gradient(problem.work, reducer.scale(), buffer, later)
    value = reducer.value(losses)
    if buffer is not None and matrix is buffer:
        return value, out
    gradient = from_rows(problem.xp, matrix, tuple(call.logits.shape), problem.axis)
    if out is None:
        return value, gradient
    out[...] = gradient
    return value, out


def value_and_derivatives(call: Call) -> tuple[Array, Array, Array]:
    """Return the value, its gradient for the logits and the diagonal of its Hessian."""
    with unrecorded(call.logits):
        if recording((call.logits,), call[1:3]) == "all":
            return _value_and_derivatives(call, expression=True)
        view = numpy_views(call.logits, call[:3])
        if view is None:
            return _value_and_derivatives(call)
        value, *found = _value_and_derivatives(call.with_views(view))
        return from_view(value), from_view(found[0]), from_view(found[1])


def _value_and_derivatives(call: Call, *, expression: bool = False) -> tuple[Array, Array, Array]:
    problem = call.problem(expression=expression)
    found = row_losses_and_derivatives(problem.work, problem.reducer.scale())
    shape, axis = tuple(call.logits.shape), problem.axis
    first, second = (from_rows(problem.xp, matrix, shape, axis) for matrix in found[1:])
    return problem.reducer.value(found[0]), first, second


def _value(call: Call, *, expression: bool = False) -> Array:
    problem = call.problem(expression=expression)
    return problem.reducer.value(row_losses(problem.work))


def _as_buffer(problem: Problem, out: Array) -> Array | None:
    """Return ``out`` as a matrix of rows x classes of the same memory, or None."""
    contiguous = out.ndim == 2 or (is_numpy(out) and out.flags.c_contiguous)
    last = problem.axis == out.ndim - 1
    return to_rows(problem.xp, out, problem.axis) if contiguous and last else None


class _Gradient:
    """A gradient made beforehand. It is handed over once: held twice it would be copied."""

    def __init__(self, call: Call, gradient: Array) -> None:
        self.rest = call.of(None)
        self.gradient: Array | None = gradient

    @classmethod
    def beside_value(cls, call: Call) -> tuple[Array, Self]:
        """Return the value and what is kept, which must not hold the value: it holds this."""
        value, gradient = _of_plain_arrays(call)
        return value, cls(call, gradient)

    def times(self, upstream: Array, logits: Callable[[], Array]) -> Array:
        """Return the gradient times that of the value, of one number or of rows."""
        gradient, self.gradient = self.gradient, None
        if gradient is None:
            gradient = _of_plain_arrays(self.rest.of(logits()))[1]
        if upstream.ndim:
            axis = self.rest.options["axis"]
            gradient *= upstream if axis is None else upstream.unsqueeze(axis % gradient.ndim)
        elif float(upstream) != 1:
            gradient *= upstream
        return gradient


class States:
    """What the gradient takes beside the logits: a few numbers per row."""

    def __init__(self, problem: Problem, states: list[Any]) -> None:
        # Logits that are needed no more are not kept alive.
        self.problem = problem._replace(logits=None, matrix=None)
        self.states = states

    @classmethod
    def beside_value(cls, call: Call) -> tuple[Array, Self]:
        """Return the value and what is kept, which must not hold the value: it holds this."""
        problem = call.problem()
        losses, states = row_losses_and_states(problem.work)
        return problem.reducer.value(losses), cls(problem, states)

    def times(self, upstream: Array, logits: Callable[[], Array]) -> Array:
        """Return the gradient times that of the value, of one number or of rows."""
        x, problem = logits(), self.problem
        xp, axis = problem.xp, problem.axis
        problem = problem._replace(logits=x, matrix=to_rows(xp, x, axis))
        scale = problem.reducer.scale() * xp.reshape(upstream, (-1, 1))
        matrix = row_gradient(problem.work, self.states, scale)
        return from_rows(xp, matrix, tuple(x.shape), axis)


def _with_gradient(call: Call) -> Array:
    """Return the value, with its gradient for the logits in torch's graph.

    In host memory the gradient is made beside the value, where the logits are in the cache. On a
    device the logits are read again: that costs no more than scaling a gradient made beforehand,
    and until then takes no memory.
    """
    # Torch holds the logits; this must not, or their memory would be freed later.
    rest = call.of(None)

    def plain(logits: Array) -> Array:
        return _value(rest.of(logits), expression=True)

    def forward(logits: Array) -> tuple[Array, Any]:
        kind = _Gradient if may_look(logits) else States
        return kind.beside_value(rest.of(logits))

    def backward(kept: Any, upstream: Array, inputs: Callable[[], tuple[Array]]) -> tuple[Array]:
        return (kept.times(upstream, lambda: inputs()[0]),)

    return with_own_gradient(forward, backward, plain, (call.logits,), call[1:3])
