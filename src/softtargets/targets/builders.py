"""Targets made of teachers, annotators and neighbours: the constructors beside the plain ones."""

from collections.abc import Sequence
from typing import Any, Self

from softtargets._array.axes import check_class_axis
from softtargets._array.checks import check_count, check_int
from softtargets._array.namespaces import namespace_of
from softtargets.constants import IGNORE_INDEX
from softtargets.targets.counts import normalized
from softtargets.targets.neighbours import neighbour_part
from softtargets.targets.parts import Dense
from softtargets.targets.smoothing import Smoothable
from softtargets.targets.teachers import teacher_parts
from softtargets.targets.votes import vote_part
from softtargets.typing import Amount, Array, Tail


class Built(Smoothable):
    """Targets with further constructors."""

    @classmethod
    def from_teacher(
        cls,
        logits: Array,
        *,
        temperature: Amount = 1.0,
        top_k: int | None = None,
        tail: Tail | None = None,
        axis: int = -1,
    ) -> Self:
        """Return  q = softmax(logits / T)  of a teacher, or only its best classes.

        Without ``top_k`` the rows are dense. With it they hold k classes each, of equal logits
        the first, with their probabilities among all classes. Detach the logits unless the teacher
        is to be trained too.

        Parameters
        ----------
        logits : array, real floating
            Scores of K classes along ``axis``. -inf is padding: a class that the teacher does not
            have gets exactly 0, and is never one of the best.
        temperature : number or 0-d array, default 1
            The T, above 0.
        top_k : int, optional
            How many classes to keep.
        tail : {"bucket", "drop", "renormalize"}, optional
            What becomes of the mass of the others, as for :meth:`from_top_k`; needed with
            ``top_k``.
        axis : int, default -1
            The class axis of ``logits``. The rows keep the order of the other axes.

        Returns
        -------
        Targets
            In float64 for float64 logits and in float32 for all others.

        Raises
        ------
        TypeError
            If ``logits`` is not an array of floats, or a number is none.
        ValueError
            If T is not above 0, ``top_k`` is above K, or ``tail`` is missing or unknown. Where
            values may be looked at: if a logit is nan or +inf, or all of a row are -inf; elsewhere
            such a row is nan.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> logits = np.array([[2.0, 1.0, -np.inf, 0.0]])
        >>> st.Targets.from_teacher(logits, temperature=2.0).to_dense().round(3)
        array([[0.506, 0.307, 0.   , 0.186]])
        >>> t = st.Targets.from_teacher(logits, top_k=2, tail="renormalize")
        >>> t.to_dense().round(3)
        array([[0.731, 0.269, 0.   , 0.   ]])

        References
        ----------
        G. Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, equation 1.
        """
        parts, shape, support = teacher_parts(logits, temperature, top_k, tail, axis)
        return cls(parts, shape[-1], shape[:-1], support=support)

    @classmethod
    def from_votes(
        cls,
        votes: Array,
        num_classes: int,
        *,
        pseudocount: float = 0.0,
        ignore_index: int = IGNORE_INDEX,
    ) -> Self:
        """Return  q_k = (n_k + a) / (n + a K)  of the labels that several annotators gave.

        n_k of the n votes of a row are for class k. The a that is added is a label smoothing of
        a K / (n + a K), and a denominator does not change with it.

        Parameters
        ----------
        votes : array, any integer dtype
            Shape ``(*rows, A)``: a label from each of A annotators.
        num_classes : int
            The number of classes K.
        pseudocount : number, default 0
            The a, at least 0.
        ignore_index : int, default -100
            Marks an annotator who did not see the row. A row without votes takes no part.

        Returns
        -------
        Targets
            A labels and a weight per row: nothing dense.

        Raises
        ------
        TypeError
            If ``votes`` is not an array of integers.
        ValueError
            If a label is out of range, where values may be looked at, or there is no annotator.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> votes = np.array([[0, 0, 2, 0], [1, 2, -100, -100]])
        >>> st.Targets.from_votes(votes, 3).to_dense()
        array([[0.75, 0.  , 0.25],
               [0.  , 0.5 , 0.5 ]])
        >>> st.Targets.from_votes(votes, 3, pseudocount=2).to_dense()
        array([[0.5  , 0.2  , 0.3  ],
               [0.25 , 0.375, 0.375]])
        """
        count = check_count(num_classes, "num_classes")
        ignored = check_int(ignore_index, "ignore_index")
        part, smoothing = vote_part(votes, count, pseudocount, ignored)
        return cls((part,), count, tuple(votes.shape[:-1])).smooth(smoothing)

    @classmethod
    def from_counts(
        cls, counts: Array, *, pseudocount: float = 0.0, axis: int = -1, dtype: object = None
    ) -> Self:
        """Return  q_k = (n_k + a) / (n + a K)  of the numbers of votes for each class.

        Parameters
        ----------
        counts : array, any real dtype
            The numbers n_k along ``axis``, finite and at least 0.
        pseudocount : number, default 0
            The a that is added to each.
        axis : int, default -1
            The class axis of ``counts``. The rows keep the order of the other axes.
        dtype : optional
            Of the targets, as for :func:`prior_from_counts`.

        Returns
        -------
        Targets
            Dense rows.

        Raises
        ------
        TypeError
            If ``counts`` is not an array of real numbers.
        ValueError
            If a count is negative or not finite, or a row has no votes and a is 0, where values may
            be looked at; elsewhere such a row is nan.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> st.Targets.from_counts(np.array([[3, 0, 1], [0, 1, 1]])).to_dense()
        array([[0.75, 0.  , 0.25],
               [0.  , 0.5 , 0.5 ]])
        """
        xp = namespace_of(counts, "counts")
        position = check_class_axis(counts, "counts", axis)
        if position != counts.ndim - 1:
            counts = xp.moveaxis(counts, position, -1)
        q = normalized(counts, "counts", pseudocount, 1.0, dtype)
        return cls((Dense(q=q),), int(q.shape[-1]), tuple(q.shape[:-1]))

    @classmethod
    def from_neighbours(
        cls,
        labels: Array,
        num_classes: int,
        kernel: Any,
        *,
        axes: Sequence[int] | None = None,
        ignore_index: int = IGNORE_INDEX,
    ) -> Self:
        """Return  q(p) = sum_o w_o onehot(label at p + o),  which is soft at borders only.

        Beyond the edge lies the label of the edge. A neighbour that is ignored leaves its weight to
        the others.

        Parameters
        ----------
        labels : array, any integer dtype
            Labels of pixels, voxels or steps.
        num_classes : int
            The number of classes K.
        kernel : list or numpy.ndarray
            The weights w, on the host: odd sizes, at least 0, sum 1. :func:`neighbour_kernel` makes
            those of spatially varying label smoothing; ``[0.05, 0.9, 0.05]`` shares with the steps
            before and after. ``torch.compile`` takes a list.
        axes : sequence of int, optional
            The axes of ``labels`` along which the kernel lies; the last ones if not given.
        ignore_index : int, default -100
            Marks what takes no part.

        Returns
        -------
        Targets
            As many labels per row as the kernel has weights above 0: 9 for a square of 3. With
            fewer classes than that, dense rows are smaller.

        Raises
        ------
        TypeError
            If ``labels`` is not an array of integers, or ``kernel`` not numbers on the host.
        ValueError
            If a label is out of range, where values may be looked at, or the kernel breaks one of
            the rules above.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> t = st.Targets.from_neighbours(np.array([0, 0, 1, 1]), 2, [0.25, 0.5, 0.25])
        >>> t.to_dense()
        array([[1.  , 0.  ],
               [0.75, 0.25],
               [0.25, 0.75],
               [0.  , 1.  ]])

        References
        ----------
        M. Islam and B. Glocker, "Spatially Varying Label Smoothing: Capturing Uncertainty from
        Expert Annotations", 2021 (on images). J. Chorowski and N. Jaitly, "Towards better decoding
        and language model integration in sequence to sequence models", 2017 (in time).
        """
        count = check_count(num_classes, "num_classes")
        ignored = check_int(ignore_index, "ignore_index")
        part = neighbour_part(labels, count, kernel, axes, ignored)
        return cls((part,), count, tuple(labels.shape))
