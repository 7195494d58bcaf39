"""A weight and a bias for each class, fitted to the negative log-likelihood."""

from typing import Any, NamedTuple

import numpy as np

from softtargets._array import errors
from softtargets._array.axes import check_class_axis
from softtargets._array.checks import check_count, check_shape
from softtargets._array.dtypes import check_floating, compute_dtype, dtype_name
from softtargets._array.namespaces import check_follows, namespace_of
from softtargets._array.operations import product
from softtargets._array.read import read
from softtargets._array.scalars import bring, check_real, widest_floating
from softtargets._array.traits import quiet, stop_gradient
from softtargets.calibration.lbfgs import Vector, minimise
from softtargets.calibration.temperature import fit_temperature
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.cross_entropy import cross_entropy
from softtargets.losses.gradients import value_and_grad
from softtargets.typing import Array


class VectorFit(NamedTuple):
    """One ``weight`` and one ``bias`` per class, arrays that follow the logits.

    The negative log-likelihoods are per row, without the penalty.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 0.5]])
    >>> fit = st.calibration.fit_vector_scaling(x, np.array([0, 1, 1, 1]))
    >>> fit.converged, fit.weight.shape, fit.bias.shape
    (True, (2,), (2,))
    """

    weight: Array
    bias: Array
    nll_before: float
    nll_after: float
    converged: bool
    iterations: int


def fit_vector_scaling(
    logits: Array,
    targets: Any,
    *,
    penalty: float = 0.01,
    max_iterations: int = 500,
    where: Array | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> VectorFit:
    """Return the weights w and biases b that minimise, with the best temperature T,

        mean cross-entropy of softmax(w x + b)  +  penalty/2 sum_k ((w_k - 1/T)^2 + b_k^2)

    It is convex. The penalty pulls towards temperature scaling, which 2 K numbers of few rows
    overfit otherwise; with a very large one it is temperature scaling.

    Parameters
    ----------
    logits, targets, where, ignore_index, axis
        As for :func:`fit_temperature`.
    penalty : number, default 0.01
        Finite and above 0; without any the biases would have no unique best value.
    max_iterations : int, default 500
        Steps of L-BFGS at most.

    Returns
    -------
    VectorFit
        With plain numbers beside the two arrays, so this waits for a device.

    Raises
    ------
    TypeError, ValueError
        As :func:`fit_temperature`, and if the penalty is not above 0.

    Choosing
    --------
    It can change which class is the most probable, which a temperature cannot. Compare both on
    rows that neither was fitted to.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 600)
    >>> x = 2 * np.eye(3)[y] + rng.normal(size=(600, 3)) + [1.0, 0.0, -1.0]
    >>> fit = st.calibration.fit_vector_scaling(x, y)
    >>> fit.weight.round(2), fit.bias.round(2)
    (array([1.48, 1.5 , 1.73]), array([-1.49, -0.09,  1.58]))
    >>> scaled = st.calibration.apply_vector_scaling(x, fit)
    >>> bool(st.cross_entropy(scaled, y) < st.cross_entropy(x, y))
    True

    References
    ----------
    C. Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2.
    """
    strength = check_real(penalty, "penalty", positive=True)
    limit = check_count(max_iterations, "max_iterations")
    words: dict[str, Any] = {"where": where, "ignore_index": ignore_index, "axis": axis}
    start = fit_temperature(logits, targets, **words)
    xp = namespace_of(logits, "logits")
    logits = stop_gradient(logits)
    position = check_class_axis(logits, "logits", axis)
    x = xp.astype(logits, compute_dtype(xp, logits), copy=False)
    rows = tuple(j for j in range(x.ndim) if j != position)
    count, centre = x.shape[position], 1 / start.temperature
    loss = value_and_grad(cross_entropy)

    def function(place: Vector) -> tuple[float, Vector]:
        weight, bias = (_at(x, part, position) for part in (place[:count], place[count:]))
        with quiet(xp):
            value, gradient = loss(x * weight + bias, targets, **words)
            sums = [
                read(xp.sum(part, axis=rows, dtype=widest_floating(xp)), "logits")
                for part in (product(xp, gradient, x), gradient)
            ]
        off = np.concatenate([place[:count] - centre, place[count:]])
        total = float(read(value, "logits")) + strength / 2 * float(off @ off)
        return total, np.concatenate(sums).astype(np.float64) + strength * off

    tolerance, noise = (1e-7, 1e-15) if dtype_name(x) == "float64" else (1e-5, 1e-6)
    first = np.concatenate([np.full(count, centre), np.zeros(count)])
    found = minimise(function, first, tolerance=tolerance, iterations=limit, noise=noise)
    off = found.place - first
    after = found.value - strength / 2 * float(off @ off)
    weight, bias = (
        bring(xp, part, x.dtype, x) for part in (found.place[:count], found.place[count:])
    )
    return VectorFit(weight, bias, start.nll_before, after, found.converged, found.iterations)


def apply_vector_scaling(logits: Array, fit: VectorFit, *, axis: int = -1) -> Array:
    """Return  w x + b,  with the weight and the bias of each class.

    Parameters
    ----------
    logits : array, real floating
        Of K classes along ``axis``.
    fit : VectorFit
        Of as many classes.
    axis : int, default -1
        The class axis.

    Returns
    -------
    array
        Of the shape, dtype, library and device of ``logits``.

    Raises
    ------
    TypeError
        If ``logits`` are not floats of the library of the fit, or ``fit`` is no fit.
    ValueError
        If it has another number of classes.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> fit = st.calibration.VectorFit(np.array([1.0, 2.0]), np.array([0.0, -1.0]), 0, 0, True, 1)
    >>> st.calibration.apply_vector_scaling(np.array([[3.0, 4.0]]), fit)
    array([[3., 7.]])
    """
    xp = namespace_of(logits, "logits")
    check_floating(logits, "logits")
    position = check_class_axis(logits, "logits", axis)
    if not isinstance(fit, VectorFit):
        errors.bad_type("fit", "be a VectorFit", type(fit).__name__)
    check_follows(xp, logits, "logits", fit.weight, "fit")
    check_shape(fit.weight, "weight of fit", (logits.shape[position],))
    shape = _shape(logits, position)
    weight, bias = (xp.reshape(part, shape) for part in (fit.weight, fit.bias))
    return xp.astype(logits * weight + bias, logits.dtype, copy=False)


def _at(x: Array, part: Vector, position: int) -> Array:
    """Return numbers per class as an array that broadcasts against ``x``."""
    xp = namespace_of(x, "logits")
    return xp.reshape(bring(xp, part, x.dtype, x), _shape(x, position))


def _shape(x: Array, position: int) -> tuple[int, ...]:
    return tuple(-1 if j == position else 1 for j in range(x.ndim))
