"""What "label smoothing e" means elsewhere, and the e that means the same here.

Every convention gives the label one mass and all other classes another; each is equal to the mass
e spread over all classes for one value of e. The factors live in this file and nowhere else.
"""

from collections.abc import Callable
from typing import Literal

from softtargets._array import errors
from softtargets._array.checks import check_amount_kind, check_count, check_fraction, check_option
from softtargets._array.namespaces import is_number, namespace_of
from softtargets._array.traits import look, quiet
from softtargets.typing import Amount

Convention = Literal["all", "others", "classy"]

#: From the smoothing of a convention to that of "all", for K classes.
_TO_ALL: dict[str, Callable[[Amount, int], Amount]] = {
    "all": lambda e, count: e,
    "others": lambda e, count: e * (count / (count - 1)),
    "classy": lambda e, count: e / (1 + e),
}
#: And back.
_FROM_ALL: dict[str, Callable[[Amount, int], Amount]] = {
    "all": lambda e, count: e,
    "others": lambda e, count: e * ((count - 1) / count),
    "classy": lambda e, count: e / (1 - e),
}


def convert_smoothing(
    label_smoothing: Amount,
    num_classes: int,
    *,
    source: Convention = "others",
    to: Convention = "all",
) -> Amount:
    """Return the label smoothing that gives under one convention the targets of another.

    ========  ====================  ====================  ===================================
    name      mass of the label     mass of each other    used by
    ========  ====================  ====================  ===================================
    all       1 - e + e/K           e/K                   torch, Keras, optax, timm, Paddle
    others    1 - e                 e/(K - 1)             fairseq, Megatron, tensor2tensor
    classy    (1 + e/K)/(1 + e)     (e/K)/(1 + e)         ClassyVision
    ========  ====================  ====================  ===================================

    The two meanings of binary smoothing are those of K = 2: "half" (t (1 - e) + e/2, Keras) is
    "all", "full" (1 - e and e) is "others".

    Parameters
    ----------
    label_smoothing : number or array
        The fraction e of the source convention, in [0, 1].
    num_classes : int
        The number of classes K, at least 2.
    source, to : {"all", "others", "classy"}
        The conventions.

    Returns
    -------
    number or array
        The fraction of the convention ``to``; of the kind of ``label_smoothing``.

    Raises
    ------
    ValueError
        If the fraction is outside [0, 1], or no fraction in [0, 1] of ``to`` gives the same
        targets.

    Examples
    --------
    >>> import softtargets as st
    >>> round(st.convert_smoothing(0.1, 3, source="others", to="all"), 12)
    0.15
    >>> round(st.convert_smoothing(0.15, 3, source="all", to="others"), 12)
    0.1

    References
    ----------
    C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7,
    for "all".
    """
    check_option(source, "source", _TO_ALL)
    check_option(to, "to", _FROM_ALL)
    count = check_count(num_classes, "num_classes")
    if count < 2:
        errors.bad_value("num_classes", "be at least 2", count)
    if is_number(label_smoothing):
        value = check_fraction(None, label_smoothing, "label_smoothing", None, "", ())
        result = _convert(value, count, source, to)
        if not 0 <= result <= 1:
            _refuse(label_smoothing, source, to)
        return result
    check_amount_kind(label_smoothing, "label_smoothing")
    xp = namespace_of(label_smoothing, "label_smoothing")
    shape = tuple(label_smoothing.shape)
    value = check_fraction(
        xp, label_smoothing, "label_smoothing", label_smoothing, "label_smoothing", [shape]
    )
    with quiet(xp):
        result = _convert(value, count, source, to)
    if look(xp.all((result >= 0) & (result <= 1))) is False:
        _refuse("an array", source, to)
    return result


def _convert(value: Amount, count: int, source: str, to: str) -> Amount:
    if source == to:
        return value
    spread = _TO_ALL[source](value, count)
    # e = 1 has no finite counterpart in "classy".
    if to == "classy" and is_number(spread) and spread >= 1:
        return float("inf")
    return _FROM_ALL[to](spread, count)


def _refuse(value: object, source: str, to: str) -> None:
    rule = f"have an equal in [0, 1] of the convention {to!r}"
    errors.bad_value("label_smoothing", rule, value, f"source: {source!r}")
