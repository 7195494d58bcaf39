"""``torch.nn.functional.cross_entropy`` with the keywords of this library."""

from typing import Any

import torch

from softtargets._array import errors
from softtargets._array.checks import check_int
from softtargets.constants import IGNORE_INDEX
from softtargets.losses.evaluate import Call, value_of
from softtargets.targets.value import Targets
from softtargets.torch.arguments import (
    LABELS,
    as_given,
    autocasts,
    check_tensor,
    class_axis,
    common_dtype,
    fraction_of,
    in_dtype,
    reduction_of,
    refusal,
)
from softtargets.typing import Amount, Array, Spread


def cross_entropy(
    input: Array,
    target: Array | Targets,
    weight: Array | None = None,
    size_average: bool | None = None,
    ignore_index: int = IGNORE_INDEX,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: Amount = 0.0,
    *,
    prior: Array | None = None,
    spread: Spread = "all",
    sample_weight: Array | None = None,
    where: Array | None = None,
    class_mask: Array | None = None,
    denominator: Amount | None = None,
    z_loss: Amount = 0.0,
    confidence_penalty: Amount = 0.0,
    entropy_threshold: Amount | None = None,
) -> Array:
    """Return what ``torch.nn.functional.cross_entropy`` returns, and more where more is asked.

        labels:         mean = sum_n v_n loss_n / sum_n v_n w[target_n]
        probabilities:  mean = sum_n v_n loss_n / sum_n v_n

    over the rows that take part, for the loss of :func:`softtargets.cross_entropy`, class weights w
    and sample weights v, which are 1 if they are not given.

    Parameters
    ----------
    input : Tensor, real floating
        Logits of shape (C,), (N, C) or (N, C, d1, ..., dK).
    target : Tensor or Targets
        Labels (int64 or uint8) of the shape of ``input`` without its classes, probabilities of the
        shape of ``input``, or :class:`~softtargets.Targets` with rows of the shape that labels
        would have.
    weight : Tensor, optional
        Shape (C,), of any sign; of the dtype of ``input`` for labels.
    size_average, reduce : bool, optional
        As in torch, which warns of them.
    ignore_index : int, default -100
        Rows with this label take no part. Probabilities refuse one of 0 or more, and
        ``Targets`` any other than the default.
    reduction : {"mean", "sum", "none"}, default "mean"
        As in torch. The mean of ``Targets`` divides by what labels would give: the sum of v <q
        before smoothing, w>.
    label_smoothing : number, 0-d tensor, or one value per row, default 0
        At most 1. A number below 0, and nan, count as 0, as in torch.
    prior, spread, sample_weight, where, class_mask, denominator
        As for :func:`softtargets.cross_entropy`; so are those in the next line.
    z_loss, confidence_penalty, entropy_threshold
        Terms that are added to the loss.

    Returns
    -------
    Tensor
        0-d, or of the shape of labels for "none". Its dtype is that of ``input``, promoted with
        those of probabilities and their weights; float32 instead of half precision under autocast.
        Half precision is computed in float32 in any case.

    Raises
    ------
    TypeError, ValueError
        As :func:`softtargets.cross_entropy`, and where torch refuses an argument; they also are
        what torch raises there, a ``RuntimeError`` or an ``IndexError``.

    Examples
    --------
    >>> import torch
    >>> from softtargets.torch import cross_entropy
    >>> x, y = torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 0.5]]), torch.tensor([0, 0])
    >>> cross_entropy(x, y, label_smoothing=0.1)
    tensor(1.3272)
    >>> torch.nn.functional.cross_entropy(x, y, label_smoothing=0.1)
    tensor(1.3272)
    >>> cross_entropy(x, y, label_smoothing=torch.tensor([0.1, 0.0]), z_loss=1e-4)
    tensor(1.2533)
    """
    options: dict[str, Any] = {
        "label_smoothing": fraction_of(label_smoothing),
        "prior": prior,
        "spread": spread,
        "class_weight": weight,
        "sample_weight": sample_weight,
        "where": where,
        "class_mask": class_mask,
        "ignore_index": ignore_index,
        "axis": -1,
        "reduction": reduction_of(size_average, reduce, reduction),
        "denominator": denominator,
        "z_loss": z_loss,
        "confidence_penalty": confidence_penalty,
        "entropy_threshold": entropy_threshold,
    }
    try:
        check_tensor(input, "input")
        options["axis"] = class_axis(input)
        dtype = as_torch_has_it(input, tuple(input.shape), target, options)
        if not autocasts(input):
            return in_dtype(value_of(Call(input, target, options)), dtype)
        with as_given(input):
            return in_dtype(value_of(Call(input, target, options)), dtype)
    except (TypeError, ValueError) as error:
        raise refusal(error) from None


def as_torch_has_it(
    like: Array, shape: tuple[int, ...], target: Array | Targets, options: dict[str, Any]
) -> Any:
    """Add torch's rules for a kind of target to the options; return the dtype of the loss.

    Logits of ``shape`` have the dtype of ``like``.
    """
    weight = options["class_weight"]
    if weight is not None:
        check_tensor(weight, "class_weight")
        options["any_values"] = True
    if not isinstance(target, torch.Tensor):
        return common_dtype(like)  # what is neither a tensor nor Targets is refused later
    if tuple(target.shape) == shape and target.is_floating_point():
        ignored = check_int(options.pop("ignore_index"), "ignore_index")
        if ignored >= 0:
            rule = "be below 0 for probabilities (where= masks rows)"
            errors.bad_value("ignore_index", rule, ignored)
        options["any_values"] = options["count_rows"] = True
        return common_dtype(like, target, weight)
    if target.dtype not in LABELS and not target.is_floating_point():
        errors.bad_type("targets", "have dtype int64 or uint8 for labels", target.dtype)
    dtype = common_dtype(like)
    if weight is not None and weight.dtype != like.dtype and not autocasts(like):
        rule = f"have the dtype {like.dtype} of logits for labels"
        errors.bad_type("class_weight", rule, weight.dtype)
    return dtype
