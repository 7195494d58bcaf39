"""Losses of logits whose derivative is their analytic gradient, made beside the value."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from softtargets._array import errors
from softtargets._array.kinds import is_jax
from softtargets.losses.gradients import CALLERS, unwrap, value_and_grad
from softtargets.typing import Array


def analytic(loss: Callable[..., Array]) -> Callable[..., Array]:
    """Return ``loss`` with a rule of differentiation of its own: the analytic gradient.

    Where JAX differentiates the expression, it keeps the exponentials of all logits in the compute
    dtype. Here the gradient itself is kept, in the dtype of the logits, and the backward pass only
    multiplies it. Forward mode, second derivatives, ``vmap`` and ``checkpoint`` work as with
    ``loss`` itself; where an argument other than the logits is differentiated too, the expression
    is.

    Parameters
    ----------
    loss : function
        A loss of logits of this library, such as :func:`softtargets.cross_entropy`, or a
        ``functools.partial`` of one.

    Returns
    -------
    function
        Called like ``loss``, preferably within ``jax.jit``.

    Raises
    ------
    TypeError
        If ``loss`` is not a loss of logits of this library. The losses of a linear layer keep no
        logits anyway.

    Choosing
    --------
    It pays where logits are large and computed in the same compiled function: see the page on JAX
    for what was measured. ``softtargets.value_and_grad`` needs no differentiation at all.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> import softtargets as st
    >>> import softtargets.jax
    >>> loss = softtargets.jax.analytic(st.cross_entropy)
    >>> logits, labels = jnp.asarray([[1.0, 2.0, 3.0]]), jnp.asarray([0])
    >>> gradient = jax.jit(jax.grad(lambda x: loss(x, labels, label_smoothing=0.1)))(logits)
    >>> [round(float(g), 4) for g in gradient[0]]
    [-0.8433, 0.2114, 0.6319]
    """
    plain, given = unwrap(loss)
    caller = CALLERS.get(plain)
    if caller is None:
        name = getattr(plain, "__qualname__", type(plain).__name__)
        errors.bad_type("loss", "be a loss of logits of softtargets", name)

    @functools.wraps(plain)
    def differentiable(*arrays: Any, **options: Any) -> Array:
        call = caller.call(arrays, {**given, **options})
        axis = call.options.get("axis", -1)
        return _value(plain, axis, call.logits, (call.targets, call.options))

    return differentiable


def _value(plain: Callable[..., Array], axis: int | None, logits: Array, rest: Any) -> Array:
    """Return the loss ``plain`` of logits, with its rule. ``rest``: targets and keywords."""
    leaves, structure = jax.tree_util.tree_flatten(rest)
    places = [i for i, leaf in enumerate(leaves) if is_jax(leaf)]

    def evaluate(function: Callable[..., Any], logits: Array, *others: Array) -> Any:
        filled = dict(zip(places, others, strict=True))
        now = [filled.get(i, leaf) for i, leaf in enumerate(leaves)]
        targets, options = jax.tree_util.tree_unflatten(structure, now)
        return function(logits, targets, **options)

    value = jax.custom_jvp(functools.partial(evaluate, plain))

    def rule(primals: Any, tangents: Any) -> Any:
        if not all(map(_is_zero, tangents[1:])):
            return _of_expression(functools.partial(evaluate, plain), primals, tangents)
        result, gradient = evaluate(value_and_grad(plain), *primals)
        product = gradient.astype(result.dtype) * tangents[0].astype(result.dtype)
        if result.shape == product.shape:
            return result, product  # every logit is a row
        return result, jnp.sum(product, axis=axis if result.ndim else None)

    value.defjvp(rule, symbolic_zeros=True)
    return value(logits, *(leaves[i] for i in places))


def _of_expression(function: Callable[..., Array], primals: Any, tangents: Any) -> Any:
    """Return the value and its tangent as JAX finds them, where only some arguments move."""
    moved = [i for i, tangent in enumerate(tangents) if not _is_zero(tangent)]

    def of_moved(*some: Array) -> Array:
        now = dict(zip(moved, some, strict=True))
        return function(*(now.get(i, primal) for i, primal in enumerate(primals)))

    return jax.jvp(of_moved, [primals[i] for i in moved], [tangents[i] for i in moved])


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)
