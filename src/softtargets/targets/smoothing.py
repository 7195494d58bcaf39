"""Moving a fraction of the mass of targets onto a prior: checks, and the parts that result."""

from typing import Self

from softtargets._array import errors
from softtargets._array.checks import check_fraction, check_option, check_shape
from softtargets._array.distributions import check_distributions
from softtargets._array.dtypes import check_floating
from softtargets._array.namespaces import check_follows, is_number
from softtargets._array.operations import lookup
from softtargets.targets.measures import Measured
from softtargets.targets.parts import Bucket, Labels, Part
from softtargets.typing import Amount, Array, Namespace, Spread

SPREADS = ("all", "others")

Parts = tuple[Part, ...]


class Smoothable(Measured):
    """Targets that can be smoothed."""

    def smooth(
        self,
        label_smoothing: Amount = 0.0,
        *,
        prior: Array | None = None,
        spread: Spread = "all",
        per_class: Array | None = None,
    ) -> Self:
        """Return targets with a fraction of their mass moved onto a prior.

        With ``spread="all"``  q' = (1 - e) q + e * prior.  With ``spread="others"`` a label keeps
        1 - e and the other classes share e in the proportions of the prior.

        Parameters
        ----------
        label_smoothing : number, 0-d array, or one value per row, default 0
            The fraction e, in [0, 1].
        prior : array, optional
            Shape ``(K,)``, or ``(K, K)`` with one row per label; each row sums to 1. Uniform if
            not given.
        spread : {"all", "others"}, default "all"
            Whether the prior gives mass to the label itself.
        per_class : array, optional
            Shape ``(K,)``: the fraction for each class, instead of ``label_smoothing``.

        Returns
        -------
        Targets

        Raises
        ------
        TypeError
            If an argument is of another library, or not a number or an array of floats.
        ValueError
            If a fraction is outside [0, 1], the prior is not a distribution, or
            ``spread="others"`` is asked of targets whose background has no such form.

        Examples
        --------
        >>> import numpy as np
        >>> import softtargets as st
        >>> t = st.Targets.from_labels(np.array([0]), 3)
        >>> t.smooth(0.3).to_dense()
        array([[0.8, 0.1, 0.1]])
        >>> t.smooth(0.3, spread="others").to_dense()
        array([[0.7 , 0.15, 0.15]])
        >>> t.smooth(0.5, prior=np.array([0.0, 0.5, 0.5])).to_dense()
        array([[0.5 , 0.25, 0.25]])

        References
        ----------
        C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016,
        section 7.
        """
        xp, count = self._xp, self.num_classes
        if per_class is None:
            parts = smooth_parts(xp, self.parts, count, label_smoothing, prior, spread)
        else:
            if not is_number(label_smoothing) or label_smoothing != 0:
                errors.bad_value("label_smoothing", "be 0 beside per_class", label_smoothing)
            parts = smooth_parts_per_class(xp, self.parts, count, per_class, prior, spread)
        return self._with(parts)


def smooth_parts(
    xp: Namespace,
    parts: Parts,
    num_classes: int,
    label_smoothing: Amount,
    prior: Array | None,
    spread: Spread,
) -> Parts:
    """Return ``parts`` with the fraction ``label_smoothing`` of all mass moved onto the prior."""
    like = parts[0].entries
    row_shape = tuple(like.shape[:-1])
    check_option(spread, "spread", SPREADS)
    shapes = [(), row_shape]
    amount = check_fraction(xp, label_smoothing, "label_smoothing", like, "targets", shapes)
    check_prior(xp, parts, num_classes, prior, spread)
    if is_number(amount):
        if amount == 0:
            return parts
        _warn_if_inverted(amount, num_classes, spread)
    elif amount.ndim:
        amount = amount[..., None]
    return tuple(part.smoothed(amount, prior, spread) for part in parts)


def parts_at_any_rate(
    xp: Namespace, parts: Parts, num_classes: int, rate: Amount, prior: Array | None
) -> Parts:
    """Return ``(1 - rate) * parts`` and the rest of their mass on the prior, for rates up to 1."""
    like = parts[0].entries
    shapes = [(), tuple(like.shape[:-1])]
    rate = check_fraction(xp, rate, "rate", like, "targets", shapes, signed=True)
    check_prior(xp, parts, num_classes, prior, "all")
    if not is_number(rate) and rate.ndim:
        rate = rate[..., None]
    return tuple(part.smoothed(rate, prior, "all") for part in parts)


def smooth_parts_per_class(
    xp: Namespace,
    parts: Parts,
    num_classes: int,
    per_class: Array,
    prior: Array | None,
    spread: Spread,
) -> Parts:
    """Return ``parts`` with ``per_class[k]`` of the mass of class k moved onto the prior."""
    check_option(spread, "spread", SPREADS)
    like = parts[0].entries
    check_fraction(xp, per_class, "per_class", like, "targets", [(num_classes,)])
    check_prior(xp, parts, num_classes, prior, spread)
    smoothed = []
    for part in parts:
        if part.spills or isinstance(part, Bucket):
            rule = "be None for targets that are smoothed already or have a tail bucket"
            errors.bad_value("per_class", rule, "an array")
        own = lookup(xp, per_class, part.labels) if isinstance(part, Labels) else per_class
        smoothed.append(part.smoothed(own, prior, spread))
    return tuple(smoothed)


def check_prior(
    xp: Namespace, parts: Parts, num_classes: int, prior: Array | None, spread: Spread
) -> None:
    """Raise unless the prior is a distribution, or one distribution per class, that suits
    ``parts``.
    """
    has_bucket = any(isinstance(part, Bucket) for part in parts)
    smoothed = any(part.spills for part in parts)
    if has_bucket and spread == "others":
        errors.bad_value("spread", "be 'all' for top-k targets with a tail bucket", "'others'")
    if prior is None:
        return
    check_follows(xp, parts[0].entries, "targets", prior, "prior")
    check_floating(prior, "prior")
    # A row for each class needs to know the class of all mass.
    square = () if has_bucket or smoothed else ((num_classes, num_classes),)
    context = "for targets that are smoothed already" if smoothed else ""
    check_shape(prior, "prior", (num_classes,), *square, context=context)
    check_distributions(xp, prior, "prior", prefix="rows of " if prior.ndim == 2 else "")


def _warn_if_inverted(amount: float, num_classes: int, spread: Spread) -> None:
    limit = (num_classes - 1) / num_classes
    if spread == "others" and num_classes > 1 and amount >= limit:
        errors.warn(
            f"label_smoothing {amount} with spread='others' leaves the label no more mass than "
            f"each of the other {num_classes - 1} classes; it would have to be below {limit}",
        )
