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
from softtargets.losses.binary import make_binary_problem
from softtargets.losses.binary_cross_entropy import binary_cross_entropy
from softtargets.losses.cross_entropy import cross_entropy
from softtargets.losses.distillation import distillation, make_distillation
from softtargets.losses.divergences import js_divergence, kl_divergence, make_js, make_kl
from softtargets.losses.evaluate import Call, value_and_gradient
from softtargets.losses.focus import focal_loss, make_focal, make_poly, poly_loss
from softtargets.losses.generalized import generalized_smoothing, make_generalized
from softtargets.losses.linear import LinearCall, linear_value_and_gradients
from softtargets.losses.linear_cross_entropy import linear_cross_entropy
from softtargets.losses.linear_distillation import linear_distillation
from softtargets.losses.linear_divergence import linear_kl_divergence
from softtargets.losses.margins import (
    make_margin,
    make_suppression,
    margin_smoothing,
    max_suppression,
)
from softtargets.losses.noise import (
    backward_correction,
    forward_correction,
    make_backward_correction,
    make_forward_correction,
)
from softtargets.losses.problem import Problem, make_problem
from softtargets.typing import Array

Evaluate = Callable[..., tuple[Array, Any]]


class Caller:
    """Makes calls of a loss of logits whose problem ``make`` makes."""

    def __init__(self, loss: Callable[..., Array], make: Callable[..., Problem]) -> None:
        self.signature, self.make = inspect.signature(loss), make
        parameters = self.signature.parameters.values()
        self.names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]

    def call(self, arrays: tuple[Any, ...], options: dict[str, Any]) -> Call:
        """Return the call with these arguments, some perhaps given by their names."""
        if len(arrays) != len(self.names):
            options = dict(self.signature.bind(*arrays, **options).arguments)
            arrays = tuple(options.pop(name) for name in self.names)
        logits, targets, *more = arrays
        if more:
            options.update(zip(self.names[2:], more, strict=True))
        return Call(logits, targets, options, self.make)

    def evaluate(
        self, *arrays: Any, out: Array | None = None, **options: Any
    ) -> tuple[Array, Array]:
        """Return value and gradient."""
        call = self.call(arrays, options)
        if out is not None:
            _check_out(call.logits, out)
        return value_and_gradient(call, out)


class LinearCaller:
    """Makes calls of a loss of a linear layer whose problem ``make`` makes."""

    def __init__(self, loss: Callable[..., Array], make: Callable[..., Problem]) -> None:
        self.name, self.signature, self.make = loss.__name__, inspect.signature(loss), make
        parameters = self.signature.parameters.values()
        self.arrays = [p.name for p in parameters if p.default is p.empty]
        self.defaults = {p.name: p.default for p in parameters if p.default is not p.empty}

    def evaluate(
        self, *arrays: Any, out: Array | None = None, **options: Any
    ) -> tuple[Array, tuple[Array, ...]]:
        """Return value and gradients."""
        if out is not None:
            errors.bad_value("out", f"be None for {self.name}", type(out).__name__)
        if len(arrays) != len(self.arrays):
            options = dict(self.signature.bind(*arrays, **options).arguments)
            arrays = tuple(options.pop(name) for name in self.arrays)
        features, weight, targets = arrays
        given = self.defaults | options
        bias, block_bytes = given.pop("bias"), given.pop("block_bytes")
        call = LinearCall(features, weight, bias, targets, block_bytes, given, self.make)
        return linear_value_and_gradients(call)


#: What makes calls of each loss of logits.
CALLERS = {
    loss: Caller(loss, make)
    for loss, make in (
        (backward_correction, make_backward_correction),
        (binary_cross_entropy, make_binary_problem),
        (cross_entropy, make_problem),
        (distillation, make_distillation),
        (focal_loss, make_focal),
        (forward_correction, make_forward_correction),
        (generalized_smoothing, make_generalized),
        (js_divergence, make_js),
        (kl_divergence, make_kl),
        (margin_smoothing, make_margin),
        (max_suppression, make_suppression),
        (poly_loss, make_poly),
    )
}
#: How to evaluate each public loss with its gradient.
_EVALUATE: dict[Callable[..., Array], Evaluate] = {
    **{loss: caller.evaluate for loss, caller in CALLERS.items()},
    **{
        loss: LinearCaller(loss, make).evaluate
        for loss, make in (
            (linear_cross_entropy, make_problem),
            (linear_distillation, make_distillation),
            (linear_kl_divergence, make_kl),
        )
    },
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
        row's loss for the logits of that row. For the losses of a linear layer it is a tuple, for
        features, weight and the bias if there is one. Torch tensors are not recorded by autograd
        here.

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
    function, keywords = unwrap(loss)
    evaluate = _EVALUATE.get(function)
    if evaluate is None:
        name = getattr(function, "__qualname__", type(function).__name__)
        errors.bad_type("loss", "be a loss of softtargets", name)

    def loss_and_gradient(*arrays: Any, **options: Any) -> tuple[Array, Any]:
        return evaluate(*arrays, out=out, **{**keywords, **options})

    return loss_and_gradient


def unwrap(loss: Callable[..., Array]) -> tuple[Callable[..., Array], dict[str, Any]]:
    """Return the function inside of partial ones, and the keywords that they give it."""
    keywords: dict[str, Any] = {}
    while isinstance(loss, partial):
        if loss.args:
            errors.bad_type("loss", "be partial in keywords only", "positional arguments")
        keywords = {**loss.keywords, **keywords}
        loss = loss.func
    return loss, keywords


def _check_out(logits: Array, out: Array) -> None:
    check_follows(namespace_of(logits, "logits"), logits, "logits", out, "out")
    check_shape(out, "out", tuple(logits.shape), context="the shape of logits")
    if dtype_name(out) != dtype_name(logits):
        errors.bad_type("out", f"have the dtype {dtype_name(logits)} of logits", dtype_name(out))
    if not may_fill(out):
        errors.bad_type("out", "be an array that can be written into", type(out).__name__)
