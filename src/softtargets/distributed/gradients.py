"""Loss and analytic gradient, where several processes hold the classes or the rows."""

import inspect
from collections.abc import Callable
from typing import Any

from softtargets._array import errors
from softtargets.distributed.cross_entropy import cross_entropy
from softtargets.distributed.evaluate import make_call, sharded_value_and_gradient
from softtargets.distributed.linear import make_linear_call, sharded_linear_value_and_gradients
from softtargets.distributed.linear_cross_entropy import linear_cross_entropy
from softtargets.distributed.places import Places
from softtargets.losses.gradients import unwrap
from softtargets.losses.linear import LinearCall
from softtargets.typing import Array


def value_and_grad(loss: Callable[..., Array]) -> Callable[..., tuple[Array, Any]]:
    """Return a function that gives a loss and its analytic gradient on every process.

    Parameters
    ----------
    loss : function
        :func:`cross_entropy` or :func:`linear_cross_entropy` of this module, or a
        ``functools.partial`` of one.

    Returns
    -------
    function
        Called like ``loss``, it returns ``(loss, gradient)``, with the gradient for the logits of
        this process; for the linear layer a tuple for features, weight and the bias if there is
        one. As :func:`softtargets.value_and_grad` otherwise.

    Raises
    ------
    TypeError
        If ``loss`` is neither of the two.

    Examples
    --------
    >>> import numpy as np
    >>> from softtargets import distributed
    >>> x, labels = np.array([[1.0, 2.0, 3.0]]), np.array([0])
    >>> evaluate = distributed.value_and_grad(distributed.cross_entropy)
    >>> loss, gradient = evaluate(x, labels, label_smoothing=0.1)
    >>> gradient.round(4)
    array([[-0.8433,  0.2114,  0.6319]])
    """
    function, keywords = unwrap(loss)
    evaluate = {cross_entropy: _of_logits, linear_cross_entropy: _of_layer}.get(function)
    if evaluate is None:
        name = getattr(function, "__qualname__", type(function).__name__)
        errors.bad_type("loss", "be a loss of softtargets.distributed", name)
    signature = inspect.signature(function)

    def loss_and_gradient(*arrays: Any, **options: Any) -> tuple[Array, Any]:
        bound = signature.bind(*arrays, **{**keywords, **options})
        bound.apply_defaults()
        return evaluate(dict(bound.arguments))

    return loss_and_gradient


def _places(given: dict[str, Any]) -> Places:
    return Places(**{name: given.pop(name) for name in Places._fields})


def _of_logits(given: dict[str, Any]) -> tuple[Array, Array]:
    places = _places(given)
    logits, targets = given.pop("logits"), given.pop("targets")
    return sharded_value_and_gradient(*make_call(logits, targets, given, places))


def _of_layer(given: dict[str, Any]) -> tuple[Array, tuple[Array, ...]]:
    places, reduce_features = _places(given), given.pop("reduce_features")
    layer = {name: given.pop(name) for name in LinearCall._fields if name in given}
    call, group = make_linear_call(LinearCall(**layer, options=given), places)
    return sharded_linear_value_and_gradients(call, group, reduce_features=reduce_features)
