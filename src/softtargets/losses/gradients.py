"""Loss and analytic gradient in one pass, for every loss and every library."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from softtargets._array import errors
from softtargets._array.checks import check_shape
from softtargets._array.dtypes import dtype_name
from softtargets._array.namespaces import check_follows, namespace_of
from softtargets._array.traits import may_fill
from softtargets.losses.cross_entropy import cross_entropy
from softtargets.losses.evaluate import Call, value_and_gradient
from softtargets.losses.linear import LinearCall, linear_value_and_gradients
from softtargets.losses.linear_cross_entropy import linear_cross_entropy
from softtargets.typing import Array

Evaluate = Callable[..., tuple[Array, Any]]


def _of_logits(
    logits: Array, targets: Any, out: Array | None = None, **options: Any
) -> tuple[Array, Array]:
    """Return value and gradient of a loss of logits."""
    if out is not None:
        _check_out(logits, out)
    return value_and_gradient(Call(logits, targets, options), out)


def _of_layer(
    features: Array,
    weight: Array,
    targets: Any,
    out: Array | None = None,
    *,
    bias: Array | None = None,
    block_bytes: int | None = None,
    **options: Any,
) -> tuple[Array, tuple[Array, ...]]:
    """Return value and gradients of the loss of a linear layer."""
    if out is not None:
        errors.bad_value("out", "be None for linear_cross_entropy", type(out).__name__)
    options = {**_LINEAR_DEFAULTS, **options}
    call = LinearCall(features, weight, bias, targets, block_bytes, options)
    return linear_value_and_gradients(call)


def _defaults(loss: Callable[..., Array]) -> dict[str, Any]:
    """Return the keywords of a loss that concern its value, with their defaults."""
    parameters = inspect.signature(loss).parameters.values()
    given = {p.name: p.default for p in parameters if p.default is not p.empty}
    return {name: given[name] for name in given if name not in ("bias", "block_bytes")}


_LINEAR_DEFAULTS = _defaults(linear_cross_entropy)


#: How to evaluate each public loss with its gradient.
_EVALUATE: dict[Callable[..., Array], Evaluate] = {
    cross_entropy: _of_logits,
    linear_cross_entropy: _of_layer,
}


def value_and_grad(
    loss: Callable[..., Array], *, out: Array | None = None
) -> Callable[..., tuple[Array, Any]]:
    """Return a function that gives a loss and its analytic gradient for the logits in one pass.

    Parameters
    ----------
    loss : function
        A loss of this library, such as :func:`cross_entropy`, or a ``functools.partial`` of one.
    out : array, optional
        Takes the gradient: of the shape, dtype, library and device of the logits, and writable. It
        may be the array of logits itself.

    Returns
    -------
    function
        Called like ``loss``, it returns ``(loss, gradient)``. The gradient is that of the reduced
        loss, with the shape and dtype of the logits; with ``reduction="none"`` it is that of each
        row's loss for the logits of that row. Torch tensors are not recorded by autograd here.

    Raises
    ------
    TypeError
        If ``loss`` is not a loss of this library, or ``out`` cannot be written into.
    ValueError
        If ``out`` has another shape or device than the logits.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x = np.array([[1.0, 2.0, 3.0]])
    >>> loss, grad = st.value_and_grad(st.cross_entropy)(x, np.array([0]), label_smoothing=0.1)
    >>> round(float(loss), 6)
    2.307606
    >>> grad.round(4)
    array([[-0.8433,  0.2114,  0.6319]])
    """
    keywords: dict[str, Any] = {}
    function = loss
    while isinstance(function, partial):
        if function.args:
            errors.bad_type("loss", "be partial in keywords only", "positional arguments")
        keywords = {**function.keywords, **keywords}
        function = function.func
    evaluate = _EVALUATE.get(function)
    if evaluate is None:
        name = getattr(function, "__qualname__", type(function).__name__)
        errors.bad_type("loss", "be a loss of softtargets", name)

    def loss_and_gradient(*arrays: Any, **options: Any) -> tuple[Array, Any]:
        return evaluate(*arrays, out=out, **{**keywords, **options})

    return loss_and_gradient


def _check_out(logits: Array, out: Array) -> None:
    check_follows(namespace_of(logits, "logits"), logits, "logits", out, "out")
    check_shape(out, "out", tuple(logits.shape), context="the shape of logits")
    if dtype_name(out) != dtype_name(logits):
        errors.bad_type("out", f"have the dtype {dtype_name(logits)} of logits", dtype_name(out))
    if not may_fill(out):
        errors.bad_type("out", "be an array that can be written into", type(out).__name__)
