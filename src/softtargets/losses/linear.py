"""How losses of a linear layer are evaluated: checked arguments in, value and gradients out."""

from collections.abc import Callable
from typing import Any, NamedTuple

from softtargets._array import errors
from softtargets._array.autograd import by_library, recording, with_own_gradient
from softtargets._array.axes import check_axis, check_known, from_rows, to_rows
from softtargets._array.checks import check_count, check_shape
from softtargets._array.dtypes import HALF, check_floating, dtype_name
from softtargets._array.host import from_view, numpy_views
from softtargets._array.kinds import is_numpy
from softtargets._array.loops import has_loop
from softtargets._array.namespaces import beside, check_follows, namespace_of
from softtargets._array.traits import quiet, unrecorded
from softtargets.execution.linear import Linear, linear_losses, linear_losses_and_gradients
from softtargets.losses.problem import Problem, make_problem
from softtargets.typing import Amount, Array

Gradients = tuple[Array, ...]


class LinearCall(NamedTuple):
    """The arguments of one call, and what makes a problem of them."""

    features: Array
    weight: Array
    bias: Array | None
    targets: Any
    block_bytes: int | None
    options: dict[str, Any]
    make: Callable[..., Problem] = make_problem

    @property
    def layer(self) -> tuple[Array, ...]:
        """The arrays for which there are gradients."""
        given = self.features, self.weight
        return given if self.bias is None else (*given, self.bias)

    def with_layer(self, features: Array, weight: Array, bias: Array | None = None) -> "LinearCall":
        """Return the call with other arrays of the layer."""
        return self._replace(features=features, weight=weight, bias=bias)


def linear_value(call: LinearCall) -> Array:
    """Return the value of a loss, differentiable where the library is."""
    recorded = recording(call.layer, call[3:])
    if recorded == "all":
        return _value(call, expression=True)
    if recorded == "first":
        return _with_gradients(call)
    view = numpy_views(call.features, call)
    return _value(call) if view is None else from_view(_value(LinearCall(*view)))


def linear_value_and_gradients(
    call: LinearCall, wanted: tuple[bool, ...] | None = None, upstream: Amount = None
) -> tuple[Array, Gradients]:
    """Return the value and its gradients for the arrays of the layer, None where not ``wanted``.

    They are multiplied by ``upstream``, one number, or one per row for "none".
    """
    wanted = (True,) * len(call.layer) if wanted is None else wanted
    with unrecorded(call.features):
        if recording(call.layer, call[3:]) == "all":
            return _value_and_gradients(call, wanted, upstream, expression=True)
        view = numpy_views(call.features, (call, upstream))
        if view is None:
            return _value_and_gradients(call, wanted, upstream)
        value, gradients = _value_and_gradients(LinearCall(*view[0]), wanted, view[1])
        return from_view(value), tuple(None if g is None else from_view(g) for g in gradients)


def _value(call: LinearCall, *, expression: bool = False) -> Array:
    problem, linear = make_linear(call, expression=expression)
    with quiet(problem.xp):
        return problem.reducer.value(linear_losses(linear))


def _value_and_gradients(
    call: LinearCall, wanted: tuple[bool, ...], upstream: Amount, *, expression: bool = False
) -> tuple[Array, Gradients]:
    if has_loop(call.features):
        return by_library(lambda *layer: _value(call.with_layer(*layer)), call.layer)
    problem, linear = make_linear(call, expression=expression)
    with quiet(problem.xp):
        losses, found = linear_losses_and_gradients(
            linear, scale_of(problem, upstream), (*wanted, False)[:3]
        )
    return problem.reducer.value(losses), gradients_for(call, problem, found)


def scale_of(problem: Problem, upstream: Amount) -> Amount:
    """Return the derivative, times ``upstream`` if given, for the loss of each row."""
    scale = problem.reducer.scale()
    if upstream is None:
        return scale
    column = problem.xp.reshape(upstream, (-1, 1))
    return scale * problem.xp.astype(column, problem.dtype, copy=False)


def gradients_for(call: LinearCall, problem: Problem, found: Any) -> Gradients:
    """Return gradients of matrices with the shapes and the dtype of the layer."""
    xp = problem.xp
    features, weight, bias = found
    if features is not None:
        shape = tuple(call.features.shape)
        features = xp.astype(features, call.features.dtype, copy=False)
        features = from_rows(xp, features, shape, problem.axis)
    if weight is not None:
        weight = xp.astype(weight, call.weight.dtype, copy=False)
    if bias is not None:
        bias = xp.astype(bias[0, :], call.weight.dtype, copy=False)
    gradients: Gradients = (features, weight, bias)
    return gradients[: len(call.layer)]


def _with_gradients(call: LinearCall) -> Array:
    """Return the value, with its gradients for the layer in torch's graph."""
    layer = call.layer
    rest = call.with_layer(None, None)
    wanted = tuple(x.requires_grad for x in layer)
    whole = call.options["reduction"] != "none"

    def plain(*layer: Array) -> Array:
        return _value(rest.with_layer(*layer), expression=True)

    def forward(*layer: Array) -> tuple[Array, Any]:
        given = rest.with_layer(*layer)
        # The upstream gradients of rows are not known yet; one for all is a factor.
        if not whole:
            return linear_value(given), None
        value, gradients = linear_value_and_gradients(given, wanted)
        return value, list(gradients)

    def backward(kept: Any, upstream: Array, inputs: Any) -> Gradients:
        if not kept:
            given = rest.with_layer(*inputs())
            return linear_value_and_gradients(given, wanted, upstream)[1]
        gradients = tuple(kept)
        kept.clear()  # one that is kept twice would be copied by those who add it up
        if upstream.device.type != "cpu" or float(upstream) != 1:
            for gradient in gradients:
                if gradient is not None:
                    gradient *= upstream
        return gradients

    return with_own_gradient(forward, backward, plain, layer, rest)


def make_linear(call: LinearCall, *, expression: bool = False) -> tuple[Problem, Linear]:
    """Check everything and return it in matrix form."""
    logits, block_bytes = check_layer(call)
    features, weight, bias, targets, _, options, make = call
    xp = namespace_of(features, "features")
    problem = make(logits, targets, **options, expression=expression)
    matrix = to_rows(xp, features, problem.axis)
    if is_numpy(matrix) and dtype_name(features) in HALF:
        # NumPy has no fast product of these.
        matrix, weight = xp.astype(matrix, xp.float32), xp.astype(weight, xp.float32)
        bias = bias if bias is None else xp.astype(bias, xp.float32)
    row = None if bias is None else bias[None, :]
    dtype, loss = problem.dtype, problem.loss
    linear = Linear(xp, matrix, weight, row, problem.rows, dtype, loss, block_bytes, expression)
    return problem, linear


def check_layer(call: LinearCall) -> tuple[Array, int | None]:
    """Return what stands for the logits, and the checked size of blocks."""
    features, weight, bias, _, block_bytes, options, _ = call
    namespace_of(features, "features")
    check_floating(features, "features")
    check_known(features, "features")
    if features.ndim == 0:
        errors.bad_value("features", "have an axis of features", ())
    axis = check_axis(options["axis"], features.ndim)
    size, name = int(features.shape[axis]), dtype_name(features)
    _check_beside(features, weight, "weight", name)
    if weight.ndim != 2 or weight.shape[1] != size or weight.shape[0] == 0:
        rule = f"have shape (K, {size}), one row per class"
        errors.bad_value("weight", rule, tuple(weight.shape), f"features: {tuple(features.shape)}")
    classes = int(weight.shape[0])
    if bias is not None:
        _check_beside(features, bias, "bias", name)
        check_shape(bias, "bias", (classes,))
    if block_bytes is not None:
        block_bytes = check_count(block_bytes, "block_bytes")
    return _stand_in(features, axis, classes), block_bytes


def _check_beside(features: Array, array: Array, argument: str, name: str) -> None:
    check_follows(namespace_of(features, "features"), features, "features", array, argument)
    if dtype_name(array) != name:
        errors.bad_type(argument, f"have the dtype {name} of features", dtype_name(array))


def _stand_in(features: Array, axis: int, classes: int) -> Array:
    """Return zeros, held as one number, with the shape, dtype and device of the logits."""
    xp = namespace_of(features, "features")
    shape = (*features.shape[:axis], classes, *features.shape[axis + 1 :])
    zero = xp.zeros((1,) * features.ndim, dtype=features.dtype, **beside(features))
    return xp.broadcast_to(zero, shape)
