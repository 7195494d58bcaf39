"""Loss, gradient and diagonal of the Hessian in one pass, as gradient boosting needs them."""

from collections.abc import Callable
from typing import Any

from softtargets._array import errors
from softtargets.losses.binary_cross_entropy import binary_cross_entropy
from softtargets.losses.cross_entropy import cross_entropy
from softtargets.losses.evaluate import value_and_derivatives
from softtargets.losses.gradients import CALLERS, unwrap
from softtargets.typing import Array

_LOSSES = (cross_entropy, binary_cross_entropy)


def value_grad_hessian(loss: Callable[..., Array]) -> Callable[..., tuple[Array, Array, Array]]:
    """Return a function that gives a loss, its gradient and the diagonal of its Hessian.

    With the symbols of the losses the diagonal is, for a row,

        cross_entropy:         A p (1 - p)
        binary_cross_entropy:  w (u t' + 1 - t') sigmoid(x) sigmoid(-x)

    and for the penalties of the cross-entropy, with l = log p,

        z_loss:              2 r z_loss (p^2 + logsumexp(x) p (1 - p))
        confidence_penalty:  r confidence_penalty (p (l + H + 1) - p^2 (2 l + 2 H + 1))

    and for a tail of mass m over the classes that are not listed, with their softmax s,
    -m s (1 - s). The penalties and a tail may make it negative.

    Parameters
    ----------
    loss : function
        :func:`cross_entropy` or :func:`binary_cross_entropy`, or a ``functools.partial`` of one.

    Returns
    -------
    function
        Called like ``loss``, it returns ``(loss, gradient, diagonal)``: the last two with the shape
        and dtype of the logits, of the reduced loss, or of each row's for ``reduction="none"``.
        Torch tensors are not recorded by autograd here.

    Raises
    ------
    TypeError
        If ``loss`` is not one of these.

    Choosing
    --------
    For the whole Hessian, or its product with a vector, differentiate the loss twice in PyTorch or
    JAX. That of a row of the cross-entropy is A (diag(p) - p p'), of which this is the diagonal.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x = np.array([[2.0, 0.5, -1.0, 0.3]])
    >>> loss, grad, diagonal = st.value_grad_hessian(st.cross_entropy)(x, np.array([0]))
    >>> diagonal.round(4)
    array([[0.215 , 0.1298, 0.033 , 0.1098]])
    """
    function, keywords = unwrap(loss)
    if function not in _LOSSES:
        name = getattr(function, "__qualname__", type(function).__name__)
        errors.bad_type("loss", "be cross_entropy or binary_cross_entropy", name)
    caller = CALLERS[function]

    def loss_and_derivatives(*arrays: Any, **options: Any) -> tuple[Array, Array, Array]:
        return value_and_derivatives(caller.call(arrays, {**keywords, **options}))

    return loss_and_derivatives
