"""Mixup and cutmix of a batch in one call: inputs and targets are mixed by one plan."""

from collections.abc import Sequence
from typing import Any

from softtargets._array import errors
from softtargets._array.axes import check_axis, check_known
from softtargets._array.namespaces import check_follows, namespace_of
from softtargets.targets.forms import as_value
from softtargets.targets.mixing import Mixing
from softtargets.targets.pairs import as_tuple
from softtargets.targets.value import Targets
from softtargets.typing import Array, Pairing, Unit


def mixup(
    inputs: Array,
    targets: Array | Targets,
    *,
    alpha: float = 1.0,
    per: Unit = "batch",
    pairing: Pairing = "permutation",
    num_classes: int | None = None,
    rng: Any = None,
) -> tuple[Array, Targets]:
    """Return a batch in which every row is mixed with another one.

        x' = lam x_i + (1 - lam) x_j,    q' = lam q_i + (1 - lam) q_j,    lam ~ Beta(alpha, alpha)

    Parameters
    ----------
    inputs : array, real floating
        Rows along the first axis: images of any layout, features, embeddings.
    targets : array or Targets
        One per row: integer labels, distributions of shape ``(N, K)``, or :class:`Targets`.
    alpha : number, default 1.0
        Above 0.
    per : {"batch", "pair", "row"}, default "batch"
        What gets a lam of its own; "pair" needs ``pairing="flip"``.
    pairing : {"permutation", "flip", "roll"}, default "permutation"
        The partner of row i: any row, each once; row N - 1 - i; row i - 1.
    num_classes : int, optional
        The number of classes K; needed for labels.
    rng : seed, numpy.random.Generator or None
        What ``numpy.random.default_rng`` takes.

    Returns
    -------
    tuple of array and Targets
        The inputs with their shape, dtype, library and device, and their targets: two labels and
        two weights per row for labels, nothing dense.

    Raises
    ------
    TypeError
        If ``inputs`` are not floats, targets are of another library, or ``num_classes`` is missing
        for labels.
    ValueError
        If there is another number of targets than of rows, or an option is out of range.

    Choosing
    --------
    :class:`Mixing` applies one plan to several inputs, and serves compiled code.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x, y = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), np.array([0, 1, 2])
    >>> inputs, targets = st.mixup(x, y, alpha=0.2, pairing="roll", num_classes=3, rng=4)
    >>> inputs.round(3)
    array([[0.09 , 0.09 ],
           [0.955, 0.955],
           [1.955, 1.955]])
    >>> targets.to_dense().round(3)
    array([[0.955, 0.   , 0.045],
           [0.045, 0.955, 0.   ],
           [0.   , 0.045, 0.955]])

    References
    ----------
    H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018, section 2.
    """
    value, count = _batch(inputs, targets, num_classes)
    plan = Mixing.sample_mixup(count, alpha=alpha, per=per, pairing=pairing, rng=rng)
    return plan.mix_inputs(inputs), plan.mix_targets(value)


def cutmix(
    inputs: Array,
    targets: Array | Targets,
    *,
    alpha: float = 1.0,
    per: Unit = "batch",
    pairing: Pairing = "permutation",
    axes: Sequence[int] = (-2, -1),
    num_classes: int | None = None,
    rng: Any = None,
) -> tuple[Array, Targets]:
    """Return a batch in which a box of every row comes from another one.

        x' = x_j in the box, x_i outside;    q' = lam q_i + (1 - lam) q_j,

    where 1 - lam is the fraction of the area that the box really covers: of a lam drawn from
    Beta(alpha, alpha) the sides of the box follow, and what sticks out of the input is cut off.

    Parameters
    ----------
    inputs : array
        Rows along the first axis.
    targets : array or Targets
        One per row: integer labels, distributions of shape ``(N, K)``, or :class:`Targets`.
    alpha : number, default 1.0
        Above 0.
    per : {"batch", "pair", "row"}, default "batch"
        What gets a box of its own; "pair" needs ``pairing="flip"``.
    pairing : {"permutation", "flip", "roll"}, default "permutation"
        The partner of row i: any row, each once; row N - 1 - i; row i - 1.
    axes : sequence of int, default (-2, -1)
        The axes in which the box lies: ``(1, 2)`` for images with channels last, ``(-1,)`` for
        series, three for volumes.
    num_classes : int, optional
        The number of classes K; needed for labels.
    rng : seed, numpy.random.Generator or None
        What ``numpy.random.default_rng`` takes.

    Returns
    -------
    tuple of array and Targets
        The inputs with their shape, dtype, library and device, and their targets.

    Raises
    ------
    TypeError
        If targets are of another library, or ``num_classes`` is missing for labels.
    ValueError
        If there is another number of targets than of rows, or an option or axis is out of range.

    Choosing
    --------
    :class:`Mixing` applies one plan to several inputs, and to label maps of a segmentation.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> x = np.array([np.full((4, 4), 1), np.full((4, 4), 2)])
    >>> inputs, targets = st.cutmix(x, np.array([0, 1]), pairing="flip", num_classes=2, rng=3)
    >>> inputs[0]
    array([[1, 1, 2, 2],
           [1, 1, 1, 1],
           [1, 1, 1, 1],
           [1, 1, 1, 1]])
    >>> targets.to_dense()
    array([[0.875, 0.125],
           [0.125, 0.875]])

    References
    ----------
    S. Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
    Features", 2019, equations 1 and 2.
    """
    value, count = _batch(inputs, targets, num_classes)
    places = [check_axis(axis, inputs.ndim) for axis in as_tuple(axes, "axes")]
    sizes = [int(inputs.shape[place]) for place in places]
    plan = Mixing.sample_cutmix(count, sizes, alpha=alpha, per=per, pairing=pairing, rng=rng)
    return plan.mix_inputs(inputs, axes=places), plan.mix_targets(value)


def _batch(inputs: Array, targets: Array | Targets, num_classes: int | None) -> tuple[Targets, int]:
    """Return the targets as a value beside the inputs, and the number of rows."""
    xp = namespace_of(inputs, "inputs")
    check_known(inputs, "inputs")
    value = as_value(targets, num_classes)
    check_follows(xp, inputs, "inputs", value._like, "targets")
    if inputs.ndim == 0:
        errors.bad_value("inputs", "have rows", "shape ()")
    return value, int(inputs.shape[0])
