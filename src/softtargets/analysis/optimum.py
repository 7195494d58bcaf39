"""The logits at which a loss is smallest."""

from softtargets._array.dtypes import promote
from softtargets._array.operations import log_of
from softtargets.targets.forms import as_value
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Spread


def optimal_logits(
    targets: Array | Targets,
    label_smoothing: Amount = 0.0,
    *,
    num_classes: int | None = None,
    prior: Array | None = None,
    spread: Spread = "all",
    class_weight: Array | None = None,
    axis: int = -1,
) -> Array:
    """Return the logits of each row at which its cross-entropy is smallest.

        x = log(a / sum a),  with a = q w  for the target q and the class weights w

    Logits are determined up to one number per row that is added to all of them; these have a
    logsumexp of 0. Class weights move the optimum, even of a single row.

    Parameters
    ----------
    targets : array or Targets
        Integer labels of shape ``(*rows,)``, distributions, or :class:`~softtargets.Targets`.
    label_smoothing : number, 0-d array, or one value per row, default 0
        The fraction e, in [0, 1].
    num_classes : int, optional
        The number of classes K; needed for labels.
    prior, spread
        As for :func:`~softtargets.smooth_labels`.
    class_weight : array, optional
        Shape ``(K,)``, finite and at least 0.
    axis : int, default -1
        The class axis of the result, and of distributions.

    Returns
    -------
    array
        The shape of the rows with K classes at ``axis``. -inf where a class has no mass, and nan
        in rows without any.

    Raises
    ------
    TypeError
        If arguments are not arrays of one library, or of the wrong kind of number.
    ValueError
        If a value breaks one of the rules of the targets, where values may be looked at.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x = st.analysis.optimal_logits(np.array([0]), 0.1, num_classes=4)
    >>> x.round(4)
    array([[-0.078 , -3.6889, -3.6889, -3.6889]])
    >>> st.value_and_grad(st.cross_entropy)(x, np.array([0]), label_smoothing=0.1)[1].round(12) + 0
    array([[0., 0., 0., 0.]])
    """
    value = as_value(targets, num_classes, axis)
    value = value.smooth(label_smoothing, prior=prior, spread=spread)
    if class_weight is not None:
        value = value.weighted(class_weight)
    xp = value._xp
    a = promote(xp, value.to_dense())
    mass = xp.sum(a, axis=-1, keepdims=True)
    x = log_of(xp, a / xp.where(mass > 0, mass, xp.nan))
    return x if axis in (-1, x.ndim - 1) else xp.moveaxis(x, -1, axis)
