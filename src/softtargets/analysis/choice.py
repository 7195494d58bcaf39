"""How much smoothing: fitted to held-out logits, or chosen among candidates by cross-validation."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from softtargets._array import errors
from softtargets._array.checks import check_shape
from softtargets._array.distributions import check_distributions
from softtargets._array.dtypes import check_floating
from softtargets._array.namespaces import check_follows
from softtargets._array.operations import lookup
from softtargets._array.scalars import check_share
from softtargets._array.traits import computed_once
from softtargets.analysis.folds import Fold, compare, mean_and_error
from softtargets.analysis.held_out import Score, arrays_of, held_out, scored
from softtargets.analysis.mixture import Mixture
from softtargets.constants import IGNORE_INDEX
from softtargets.typing import Array


class Candidate(NamedTuple):
    """One amount of smoothing that was tried.

    Attributes
    ----------
    label_smoothing : float
        The fraction e.
    loss : float
        Its mean held-out loss.
    excess : float
        How much more that is than for the best candidate.
    error : float
        The standard error of ``excess``, of paired differences.

    Examples
    --------
    >>> import softtargets as st
    >>> st.analysis.Candidate(0.1, 0.52, 0.0, 0.0).loss
    0.52
    """

    label_smoothing: float
    loss: float
    excess: float
    error: float


class SmoothingChoice(NamedTuple):
    """What :func:`choose_label_smoothing` found.

    Attributes
    ----------
    label_smoothing : float
        The fraction e with the smallest held-out loss.
    low, high : float
        Between these no e can be told from the best one: at a level of 95 % for a fit, within two
        standard errors for candidates.
    loss : float
        The mean held-out loss at the choice, in nats.
    gain : float
        How much less that is than without smoothing (for candidates: than with the least).
    gain_error : float
        The standard error of ``gain``.
    rows : float
        The number of held-out rows.
    bounded : bool
        Whether the choice is an end of what was searched, so that better may lie beyond.
    candidates : tuple of Candidate
        All that were tried, by their smoothing; none for a fit.

    Examples
    --------
    >>> import softtargets as st
    >>> choice = st.analysis.SmoothingChoice(0.1, 0.06, 0.15, 0.5, 0.04, 0.01, 400, False, ())
    >>> print(choice)
    label smoothing 0.1 (0.06 to 0.15), held-out loss 0.5000, which is 0.0400 +- 0.0100 less \
than without, 400 rows
    >>> choice.is_clear
    True
    """

    label_smoothing: float
    low: float
    high: float
    loss: float
    gain: float
    gain_error: float
    rows: float
    bounded: bool
    candidates: tuple[Candidate, ...]

    @property
    def is_clear(self) -> bool:
        """Whether the gain is more than two of its standard errors."""
        return self.gain > 2 * self.gain_error

    def __str__(self) -> str:
        least = self.candidates[0].label_smoothing if self.candidates else 0.0
        return (
            f"label smoothing {self.label_smoothing:.3g} ({self.low:.3g} to {self.high:.3g}), "
            f"held-out loss {self.loss:.4f}, which is {self.gain:.4f} +- {self.gain_error:.4f} "
            f"less than {f'with {least:g}' if least else 'without'}, {self.rows:g} rows"
        )


def choose_label_smoothing(
    logits: Array | Mapping[float, Array | Sequence[Array]],
    labels: Array | Sequence[Array],
    *,
    prior: Array | None = None,
    score: Score | None = None,
    ignore_index: int = IGNORE_INDEX,
    axis: int = -1,
) -> SmoothingChoice:
    """Return the label smoothing that suits held-out data best, and how sure that is.

    Of the **logits of one model**, trained without smoothing, it fits the e of

        minimise  -sum log((1 - e) p_y + e u_y)

    with the probability p_y of the label and the prior u: the predictions that the model would make
    if it had been trained to the end on targets smoothed by e. The sum is convex in e.

    Of the **logits of several models**, one or more (folds, seeds) for each candidate e, it takes
    the candidate with the smallest mean held-out loss, and compares the others with it fold by
    fold: this is what cross-validation asks for.

    Parameters
    ----------
    logits : array, or mapping of float to (sequence of) array
        Held-out logits, with the classes along ``axis``. In a mapping the keys are the candidates
        and each has an array, or a sequence of as many as there are folds.
    labels : array or sequence of array
        Integer labels, the shape of the logits without the class axis; of each fold, if there are
        several.
    prior : array, optional
        Shape ``(K,)``: where the mass of the smoothing goes, uniform if not given. For the fit.
    score : callable, optional
        Of logits and labels, returns a loss of each row: what is to be small. By default the
        unsmoothed negative log-likelihood. For candidates.
    ignore_index : int, default -100
        Rows with this label are left out.
    axis : int, default -1
        The class axis of the logits.

    Returns
    -------
    SmoothingChoice

    Raises
    ------
    TypeError
        If logits are not floating-point arrays, or labels not integers of their library.
    ValueError
        If shapes or numbers of folds do not fit, no row is left, or an argument belongs to the
        other of the two uses.

    Choosing
    --------
    The fit needs one model and a second; cross-validation trains many, and answers the real
    question. Begin with the fit, and validate a few candidates around it.

    Notes
    -----
    *The fit* says which smoothing makes the predictions at hand as sure as they should be. What
    training with it changes beside that, accuracy above all, it cannot know; of a model that is not
    sure enough it returns 0. Its interval is that of the likelihood ratio, for independent rows.

    *Cross-validation* by the negative log-likelihood holds against smoothing that it makes models
    less sure. If a temperature is fitted afterwards, say so in ``score``; and if accuracy is what
    counts, score the errors. With two or more folds the standard errors are those of the
    differences between folds, which takes the randomness of training in; with one they are those
    between rows, and leave it out. The loss of the best of many candidates is a little optimistic.

    Examples
    --------
    >>> import numpy as np
    >>> import softtargets as st
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 4, 500)
    >>> given = np.where(rng.uniform(size=500) < 0.1, rng.integers(0, 4, 500), labels)
    >>> logits = 8.0 * np.eye(4)[labels] + rng.normal(size=(500, 4))
    >>> print(st.analysis.choose_label_smoothing(logits, given))
    label smoothing 0.0785 (0.0537 to 0.109), held-out loss 0.2941, which is 0.2201 +- 0.0518 \
less than without, 500 rows
    >>> models = {e: logits * (1 - e) for e in (0.0, 0.3, 0.6, 0.9)}
    >>> choice = st.analysis.choose_label_smoothing(models, given)
    >>> choice.label_smoothing, [round(c.excess, 3) for c in choice.candidates]
    (0.6, [0.179, 0.04, 0.0, 0.571])

    References
    ----------
    C. Guo et al., "On Calibration of Modern Neural Networks", 2017, for fitting one number to
    held-out logits. T. Hastie et al., "The Elements of Statistical Learning", 2009, section 7.10,
    for standard errors in cross-validation.
    """
    if isinstance(logits, Mapping):
        return _among(logits, labels, prior, score, ignore_index, axis)
    return _fitted(logits, labels, prior, score, ignore_index, axis)


def _fitted(
    logits: Array,
    labels: Array,
    prior: Array | None,
    score: Score | None,
    ignore_index: int,
    axis: int,
) -> SmoothingChoice:
    """Return the smoothing that is fitted to the logits of one model."""
    if score is not None:
        errors.bad_value("score", "be None unless logits are a mapping of candidates", "a function")
    data = held_out(logits, labels, ignore_index, axis)
    xp, kept = data.xp, data.kept
    rows = float(xp.sum(kept))
    if rows == 0:
        errors.bad_value("labels", "keep a row", "none")
    count = int(logits.shape[axis])
    p = xp.exp(-data.losses)
    if prior is None:
        u = xp.full_like(p, 1 / count)
    else:
        check_follows(xp, logits, "logits", prior, "prior")
        check_floating(prior, "prior")
        check_shape(prior, "prior", (count,))
        check_distributions(xp, prior, "prior", prefix="")
        safe = xp.where(kept > 0, data.labels, 0)
        u = lookup(xp, xp.astype(prior, p.dtype), safe)
    mixture = Mixture(xp, computed_once(p), computed_once(u), kept)
    share, low, high, loss = mixture.fit()
    gain, error = 0.0, 0.0
    if share != 0:
        gains = kept * (data.losses + xp.log(mixture.mass(share)))
        gain, error = mean_and_error(xp, gains, kept)
    return SmoothingChoice(
        label_smoothing=share,
        low=low,
        high=high,
        loss=loss,
        gain=gain,
        gain_error=error,
        rows=rows,
        bounded=share in (0.0, 1.0),
        candidates=(),
    )


def _among(
    logits: Mapping[float, Array | Sequence[Array]],
    labels: Array | Sequence[Array],
    prior: Array | None,
    score: Score | None,
    ignore_index: int,
    axis: int,
) -> SmoothingChoice:
    """Return the candidate whose held-out loss is smallest."""
    if prior is not None:
        errors.bad_value("prior", "be None beside candidates", "an array")
    if not logits:
        errors.bad_value("logits", "have a candidate", "an empty mapping")
    amounts = sorted(check_share(e, "candidates of label_smoothing") for e in logits)
    answers = arrays_of(labels, "labels")
    sets = [arrays_of(logits[e], "logits of a candidate") for e in amounts]
    for each in sets:
        if len(each) != len(answers):
            rule = f"be as many as labels, {len(answers)}"
            errors.bad_value("logits of a candidate", rule, len(each))
    folds = []
    for k, answer in enumerate(answers):
        mine = [each[k] for each in sets]
        data = [held_out(each, answer, ignore_index, axis) for each in mine]
        losses = [each.losses for each in data]
        if score is not None:
            losses = [scored(score, each, answer, data[0]) for each in mine]
        folds.append(Fold(data[0].xp, losses, data[0].kept))
    found = compare(folds)
    rows = zip(amounts, found.losses, found.excesses, found.errors, strict=True)
    candidates = tuple(Candidate(*row) for row in rows)
    near = [c.label_smoothing for c in candidates if c.excess <= 2 * c.error]
    best, least = candidates[found.best], candidates[0]
    return SmoothingChoice(
        label_smoothing=best.label_smoothing,
        low=min(near),
        high=max(near),
        loss=best.loss,
        gain=least.excess,
        gain_error=least.error,
        rows=found.rows,
        bounded=found.best in (0, len(candidates) - 1),
        candidates=candidates,
    )
