"""Which rows of a batch are mixed with which, and how much: drawn once, applied to anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from softtargets._array import errors
from softtargets._array.axes import check_known
from softtargets._array.checks import check_count
from softtargets._array.dtypes import check_floating, promote
from softtargets._array.namespaces import as_array, is_number, namespace_of
from softtargets._array.scalars import check_real, generator, widest_floating
from softtargets.targets import sampling
from softtargets.targets.forms import as_value
from softtargets.targets.pairs import as_tuple, inside_box, partner_index, share
from softtargets.targets.value import Targets
from softtargets.typing import Amount, Array, Pairing, Unit


@dataclass(frozen=True, eq=False)
class Mixing:
    """A plan of how the rows of a batch are mixed, to be applied to inputs and to targets.

    Row i of anything becomes  lam_i * row i + (1 - lam_i) * row partner_i.  In cutmix the partner
    gives the box instead, and lam_i is the part of the area that lies outside of it. Numbers that
    :meth:`sample_mixup` and :meth:`sample_cutmix` draw are held on the host, as numbers and NumPy
    arrays, and go to the library and device of what they are applied to. In compiled code make a
    plan of your own arrays: ``Mixing(partner, lam)``.

    Parameters
    ----------
    partner : array, any integer dtype
        Shape ``(N,)``: the row that each row is mixed with.
    lam : number or array
        The share that a row keeps: one for all rows, or shape ``(N,)``.
    box : array of int, optional
        Shape ``(axes, 2)`` or ``(N, axes, 2)``: where the box starts and stops along each axis.
    sizes : tuple of int
        The sizes of the axes in which the box lies.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> plan = st.Mixing(np.array([1, 0]), 0.75)
    >>> plan.mix_inputs(np.array([[0.0, 4.0], [4.0, 8.0]]))
    array([[1., 5.],
           [3., 7.]])
    >>> plan.mix_targets(np.array([0, 1]), num_classes=2).to_dense()
    array([[0.75, 0.25],
           [0.25, 0.75]])
    """

    partner: Array
    lam: Amount
    box: Array | None = None
    sizes: tuple[int, ...] = ()

    @classmethod
    def sample_mixup(
        cls,
        num_rows: int,
        *,
        alpha: float = 1.0,
        per: Unit = "batch",
        pairing: Pairing = "permutation",
        rng: Any = None,
    ) -> "Mixing":
        """Return a plan with lam drawn from Beta(alpha, alpha).

        Parameters
        ----------
        num_rows : int
            The number of rows N of a batch, at least 1.
        alpha : number, default 1.0
            Above 0. Small values leave most rows almost as they are; 1 draws lam uniformly.
        per : {"batch", "pair", "row"}, default "batch"
            What gets a lam of its own. A row and its partner share one for "pair", which needs
            ``pairing="flip"``.
        pairing : {"permutation", "flip", "roll"}, default "permutation"
            The partner of row i: any row, each once; row N - 1 - i; row i - 1, and the last for 0.
            A row may be its own partner.
        rng : seed, numpy.random.Generator or None
            What ``numpy.random.default_rng`` takes; None draws something else each time.

        Returns
        -------
        Mixing

        Raises
        ------
        TypeError
            If ``num_rows`` is not an int, ``alpha`` is not a number, or ``rng`` is no seed.
        ValueError
            If a number is out of range or an option is unknown.

        Examples
        --------
        >>> import softtargets as st
        >>> plan = st.Mixing.sample_mixup(4, alpha=0.2, pairing="flip", rng=0)
        >>> plan.partner, 0 <= plan.lam <= 1
        (array([3, 2, 1, 0]), True)

        References
        ----------
        H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018, section 2.
        """
        draw, partner, drawn = _draw(num_rows, alpha, per, pairing, generator(rng))
        return cls(partner, float(drawn[0]) if draw is None else drawn[draw])

    @classmethod
    def sample_cutmix(
        cls,
        num_rows: int,
        sizes: Sequence[int],
        *,
        alpha: float = 1.0,
        per: Unit = "batch",
        pairing: Pairing = "permutation",
        rng: Any = None,
    ) -> "Mixing":
        """Return a plan with a box for each lam drawn from Beta(alpha, alpha).

        Along each of d axes the box spans (1 - lam)^(1/d) of the size, rounded down to an even
        number, about a centre drawn uniformly; what sticks out is cut off. The ``lam`` of the plan
        is the area that is really left: 1 - area / prod(sizes).

        Parameters
        ----------
        num_rows : int
            The number of rows N of a batch, at least 1.
        sizes : sequence of int
            The sizes of the axes in which boxes lie: (height, width) of images, (length,) of
            series.
        alpha, per, pairing, rng
            As for :meth:`sample_mixup`; with ``per`` a box of its own, too.

        Returns
        -------
        Mixing

        Raises
        ------
        TypeError
            If a size is not an int, ``alpha`` is not a number, or ``rng`` is no seed.
        ValueError
            If a number is out of range or an option is unknown.

        Examples
        --------
        >>> import softtargets as st
        >>> plan = st.Mixing.sample_cutmix(4, (32, 32), rng=7)
        >>> plan.box.tolist(), plan.lam
        ([[13, 32], [0, 19]], 0.6474609375)

        References
        ----------
        S. Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
        Features", 2019, equations 1 and 2.
        """
        whole = tuple(check_count(size, "sizes") for size in as_tuple(sizes, "sizes"))
        source = generator(rng)
        draw, partner, drawn = _draw(num_rows, alpha, per, pairing, source)
        box = sampling.boxes(source, drawn, whole)
        lam = sampling.outside(box, whole)
        if draw is None:
            return cls(partner, float(lam[0]), box[0], whole)
        return cls(partner, lam[draw], box[draw], whole)

    def mix_inputs(self, inputs: Array, *, axes: Sequence[int] | None = None) -> Array:
        """Return the mixture of ``inputs`` with their partners.

        Parameters
        ----------
        inputs : array
            Rows along the first axis. Real floating dtype for mixup, computed in float32 for half
            precision; any dtype for cutmix, label maps of a segmentation included.
        axes : sequence of int, optional
            For cutmix, the axes in which the box lies, in the order of ``sizes``; the last ones if
            not given. ``(1, 2)`` for images with channels last.

        Returns
        -------
        array
            The shape, dtype, library and device of ``inputs``.

        Raises
        ------
        TypeError
            If ``inputs`` is not an array, or not of floats for mixup.
        ValueError
            If the plan is one for other sizes, or axes are out of range.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> plan = st.Mixing(np.array([1, 0]), 2 / 3, np.array([[1, 2]]), (3,))
        >>> plan.mix_inputs(np.array([[1, 2, 3], [4, 5, 6]]))
        array([[1, 5, 3],
               [4, 2, 6]])
        """
        xp = namespace_of(inputs, "inputs")
        check_known(inputs, "inputs")
        index = partner_index(xp, self.partner, inputs, "inputs", tuple(inputs.shape))
        if self.box is not None:
            inside = inside_box(xp, inputs, self.box, self.sizes, axes)
            return xp.where(inside, xp.take(inputs, index, axis=0), inputs)
        if axes is not None:
            errors.bad_value("axes", "be None for mixup", axes)
        check_floating(inputs, "inputs")
        wide = promote(xp, inputs)
        lam = share(xp, self.lam, index.shape[0], inputs, "inputs", wide.dtype, inputs.ndim)
        mixed = lam * wide + (1.0 - lam) * xp.take(wide, index, axis=0)
        return as_array(xp, mixed, inputs.dtype, inputs)

    def mix_targets(self, targets: Array | Targets, *, num_classes: int | None = None) -> Targets:
        """Return the mixture of targets with their partners: ``st.mix(t, t[partner], lam)``.

        Parameters
        ----------
        targets : array or Targets
            One per row, or more with the rows along the first axis (mixup only). Integer labels,
            distributions with the classes last, or :class:`Targets`.
        num_classes : int, optional
            The number of classes K; needed for labels.

        Returns
        -------
        Targets
            Two labels and two numbers per row for labels: nothing is made dense.

        Raises
        ------
        TypeError
            If ``targets`` is none of these.
        ValueError
            If there is another number of rows, or cutmix is asked of targets with more axes.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> plan = st.Mixing(np.array([1, 0]), np.array([1.0, 0.25]))
        >>> plan.mix_targets(np.array([0, 1]), num_classes=2).to_dense()
        array([[1.  , 0.  ],
               [0.75, 0.25]])
        """
        value = as_value(targets, num_classes)
        xp, like, shape = value._xp, value._like, value.row_shape
        index = partner_index(xp, self.partner, like, "targets", shape)
        if self.box is not None and len(shape) > 1:
            rule = "have one row per input for cutmix (mix_inputs cuts label maps)"
            errors.bad_value("targets", rule, f"rows of shape {shape}")
        wide, count = widest_floating(xp), index.shape[0]
        lam = share(xp, self.lam, count, like, "targets", wide, len(shape))
        if not is_number(lam) and lam.ndim:
            lam = xp.broadcast_to(lam, shape)
        return value.mix(value[index], lam)


def _draw(
    num_rows: int, alpha: float, per: str, pairing: str, rng: np.random.Generator
) -> tuple[Any, Any, Any]:
    """Return what both samplers draw: the draw of each row, its partner, and each draw of lam."""
    count = check_count(num_rows, "num_rows")
    wanted = check_real(alpha, "alpha", positive=True)
    draw = sampling.draw_of_row(count, per, pairing)
    partner = sampling.partners(rng, count, pairing)
    return draw, partner, sampling.shares(rng, wanted, draw)
