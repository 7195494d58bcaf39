"""How the softmax losses of logits are evaluated: checked arguments in, value and gradient out.

Torch tensors in host memory are computed on as NumPy arrays of the same memory; torch's autograd
gets the analytic gradient, and the plain expression where more than that is asked for.
"""

from typing import Any, NamedTuple

from softtargets._array.autograd import recording, with_own_gradient
from softtargets._array.axes import from_rows, to_rows
from softtargets._array.host import from_view, numpy_views, was_changed
from softtargets._array.kinds import is_numpy
from softtargets._array.traits import unrecorded
from softtargets.execution.run import row_losses, row_losses_and_gradient
from softtargets.losses.problem import Problem, make_problem
from softtargets.typing import Array


class Call(NamedTuple):
    """The arguments of one call of a loss."""

    logits: Array
    targets: Any
    options: dict[str, Any]


def value_of(call: Call) -> Array:
    """Return the value of a loss, differentiable where the library is."""
    recorded = recording((call.logits,), call[1:])
    if recorded == "all":
        return _value(call, expression=True)
    if recorded == "first":
        return _with_gradient(call)
    view = numpy_views(call.logits, call)
    return _value(call) if view is None else from_view(_value(Call(*view)))


def value_and_gradient(call: Call, out: Array | None = None) -> tuple[Array, Array]:
    """Return the value and its gradient for the logits, which is written into ``out`` if given."""
    with unrecorded(call.logits):
        if recording((call.logits,), call[1:]) == "all":
            return _value_and_gradient(call, out, expression=True)
        return _of_plain_arrays(call, out)


def _of_plain_arrays(call: Call, out: Array | None = None) -> tuple[Array, Array]:
    """Return the value and its gradient where nothing is recorded."""
    view = numpy_views(call.logits, (call, out))
    if view is None:
        return _value_and_gradient(call, out)
    value, gradient = _value_and_gradient(Call(*view[0]), view[1])
    if out is None:
        return from_view(value), from_view(gradient)
    was_changed(out)
    return from_view(value), out


def _value_and_gradient(
    call: Call, out: Array | None, *, expression: bool = False
) -> tuple[Array, Array]:
    problem = make_problem(call.logits, call.targets, **call.options, expression=expression)
    buffer = None if out is None else _as_buffer(problem, out)
    losses, matrix = row_losses_and_gradient(problem.work, problem.reducer.scale(), buffer)
    value = problem.reducer.value(losses)
    if buffer is not None and matrix is buffer:
        return value, out
    gradient = from_rows(problem.xp, matrix, tuple(call.logits.shape), problem.axis)
    if out is None:
        return value, gradient
    out[...] = gradient
    return value, out


def _value(call: Call, *, expression: bool = False) -> Array:
    problem = make_problem(call.logits, call.targets, **call.options, expression=expression)
    return problem.reducer.value(row_losses(problem.work))


def _as_buffer(problem: Problem, out: Array) -> Array | None:
    """Return ``out`` as a matrix of rows x classes of the same memory, or None."""
    contiguous = out.ndim == 2 or (is_numpy(out) and out.flags.c_contiguous)
    last = problem.axis == out.ndim - 1
    return to_rows(problem.xp, out, problem.axis) if contiguous and last else None


class _Kept:
    """A gradient that is handed over once; kept twice it would be copied by those who add it."""

    def __init__(self, gradient: Array) -> None:
        self.gradient: Array | None = gradient

    def take(self) -> Array | None:
        gradient, self.gradient = self.gradient, None
        return gradient


def _with_gradient(call: Call) -> Array:
    """Return the value, with its gradient for the logits in torch's graph."""
    targets, options = call.targets, call.options

    def plain(logits: Array) -> Array:
        return _value(Call(logits, targets, options), expression=True)

    def forward(logits: Array) -> tuple[Array, Any]:
        value, gradient = _of_plain_arrays(Call(logits, targets, options))
        return value, _Kept(gradient)

    def backward(kept: _Kept, upstream: Array, inputs: Any) -> tuple[Array]:
        gradient = kept.take()
        if gradient is None:
            gradient = _of_plain_arrays(Call(inputs()[0], targets, options))[1]
        return (_times(gradient, upstream, options.get("axis", -1)),)

    return with_own_gradient(forward, backward, plain, (call.logits,), call[1:])


def _times(gradient: Array, upstream: Array, axis: int) -> Array:
    """Return ``gradient``, which is ours alone, times the upstream gradient of its rows."""
    if upstream.ndim:
        gradient *= upstream.unsqueeze(axis % gradient.ndim)
    elif upstream.device.type != "cpu" or float(upstream) != 1:
        gradient *= upstream
    return gradient
