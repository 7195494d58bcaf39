"""One of several processes that hold parts of losses: ``rank size store out``.

It writes what it finds, by name, for tests/frameworks/test_distributed_torch.py to compare. The
last process leaves before the end, without a word.
"""

from __future__ import annotations

import datetime
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

import softtargets as st
from softtargets import distributed
from tests.frameworks import distributed_cases as shared
from tests.frameworks.distributed_cases import CASES, LABELS, LINEAR, SPLITS, X

#: What collectives were called since the last look, and the bytes that each handed over.
SENT: list[tuple[str, int]] = []


def count_collectives() -> None:
    """Note every collective that is called."""

    def counted(name: str, function: Callable[..., Any], place: int) -> Callable[..., Any]:
        def call(*arguments: Any, **words: Any) -> Any:
            SENT.append((name, arguments[place].nbytes))
            return function(*arguments, **words)

        return call

    dist.all_reduce = counted("all_reduce", dist.all_reduce, 0)
    dist.all_gather = counted("all_gather", dist.all_gather, 1)


def sent() -> list[tuple[str, int]]:
    found = SENT[:]
    SENT.clear()
    return found


def tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def single(array: Any) -> torch.Tensor:
    found = tensor(array)
    return found.to(torch.float32) if found.is_floating_point() else found


def leaf(array: Any) -> torch.Tensor:
    return tensor(array).clone().requires_grad_(True)


def host(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [host(part) for part in value]
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def losses(group: Any, split: tuple[int, ...]) -> dict[str, Any]:
    """Return loss and gradient of every case, by value_and_grad and by autograd, and its cost."""
    rank, found = dist.get_rank(group), {}
    for name, case in CASES.items():
        own = case.converted(tensor)
        value, gradient = shared.evaluate(own, group, split, rank)
        x = leaf(case.part(split, rank))
        loss = distributed.cross_entropy(x, own.targets, class_group=group, **own.options)
        sent()
        loss.sum().backward()
        silent = sent()
        low = case.converted(single)
        shared.evaluate(low, group, split, rank)
        found[name] = host((value, gradient, loss, x.grad)), silent, sent()
    return found


def layers(group: Any, split: tuple[int, ...]) -> dict[str, Any]:
    """Return loss and gradients of every linear case, by value_and_grad and by autograd."""
    rank, found = dist.get_rank(group), {}
    for name, case in LINEAR.items():
        own = case.converted(tensor)
        layer = tensor(shared.FEATURES), tensor(shared.LAYER)
        value, gradients = shared.evaluate_linear(own, group, split, rank, layer)
        arrays = [shared.FEATURES, shared.block(shared.LAYER, split, rank)]
        if case.bias is not None:
            arrays.append(shared.block(case.bias, split, rank))
        leaves = [leaf(array) for array in arrays]
        bias = {} if case.bias is None else {"bias": leaves[2]}
        words = {"class_group": group, **own.options, **bias}
        loss = distributed.linear_cross_entropy(*leaves[:2], own.targets, **words)
        sent()
        (2 * loss).backward()
        found[name] = host((value, gradients, loss, [x.grad / 2 for x in leaves])), sent()
        # The features need no gradient, so nobody is asked for it.
        leaves[0].requires_grad_(False)
        loss = distributed.linear_cross_entropy(*leaves[:2], own.targets, **words)
        sent()
        loss.backward()
        assert sent() == []
    return found


def second_derivatives(group: Any, split: tuple[int, ...]) -> Any:
    """Return the Hessian times a vector, for logits and for a layer, and upstream gradients."""
    rank = dist.get_rank(group)
    words = {"label_smoothing": 0.1, "class_group": group, "confidence_penalty": 0.1}
    x = leaf(shared.block(X, split, rank, 1))
    loss = distributed.cross_entropy(x, tensor(LABELS), reduction="none", **words)
    (first,) = torch.autograd.grad(loss, x, tensor(np.arange(6.0)), create_graph=True)
    (second,) = torch.autograd.grad(first, x, tensor(shared.block(-X, split, rank, 1)))
    layer = [leaf(shared.FEATURES), leaf(shared.block(shared.LAYER, split, rank))]
    found = []
    for reduce_features in (True, False):
        loss = distributed.linear_cross_entropy(
            *layer, tensor(LABELS), reduce_features=reduce_features, **words
        )
        gradients = torch.autograd.grad(loss, layer, create_graph=True)
        towards = [torch.ones_like(layer[0]), torch.ones_like(layer[1])]
        if not reduce_features:
            gradients, towards = gradients[:1], towards[:1]
        found.append(host(torch.autograd.grad(gradients, layer[1], towards)))
        found.append(host(gradients[0]))
    return host((first, second)), found


def half_precision(group: Any, split: tuple[int, ...]) -> Any:
    """Return losses and gradients of logits of half precision, with their dtypes."""
    found = []
    for dtype in (torch.float16, torch.bfloat16):
        x = tensor(shared.block(X, split, dist.get_rank(group), 1)).to(dtype).requires_grad_(True)
        weight = torch.ones(8, dtype=dtype)
        loss = distributed.cross_entropy(x, tensor(LABELS), class_group=group, class_weight=weight)
        loss.backward()
        found.append((str(loss.dtype), loss.item(), str(x.grad.dtype), x.grad.float().numpy()))
    return found


def averages(group: Any) -> Any:
    """Return the gradients of a model whose rows all processes hold, averaged or added up."""
    sizes = (3, 1, 2)
    rank, found = dist.get_rank(group), []
    y, labels = (tensor(shared.block(a, sizes, rank)) for a in (shared.FEATURES, LABELS))
    for averaged in (True, False):
        model = torch.nn.Linear(4, 8, bias=False).double()
        with torch.no_grad():
            model.weight.copy_(tensor(shared.LAYER))
        parallel = torch.nn.parallel.DistributedDataParallel(model) if averaged else model
        words = {"row_group": group, "averaged": averaged, "label_smoothing": 0.1}
        loss = distributed.cross_entropy(parallel(y), labels, **words)
        loss.backward()
        gradient = model.weight.grad
        if not averaged:
            dist.all_reduce(gradient)
        found.append(host((loss, gradient)))
        # Second derivatives have the same factor.
        x = leaf(shared.block(X, sizes, rank))
        loss = distributed.cross_entropy(x, labels, **words)
        (first,) = torch.autograd.grad(loss, x, create_graph=True)
        found.append(host(torch.autograd.grad(first, x, torch.ones_like(x) * x.detach())))
    return found


def merged(group: Any) -> Any:
    """Return merged states and counts of tensors."""
    rank, split, sizes = dist.get_rank(group), SPLITS[3], (4, 0, 2)
    x, first = shared.block(X, split, rank, 1), sum(split[:rank])
    state = st.SoftmaxState.of(tensor(x), tensor(LABELS), first_class=first, num_classes=8)
    state = distributed.merge(state, group)
    summary = st.calibration.CalibrationSummary(from_logits=True)
    if sizes[rank]:
        summary.update(*(tensor(shared.block(a, sizes, rank)) for a in (X, LABELS)))
    summary = distributed.merge(summary, group)
    counts = {name: np.asarray(array) for name, array in summary.bins.state_dict().items()}
    return host((state.loss(), state.variance())), counts, summary.report().negative_log_likelihood


def refused(group: Any, act: Callable[..., Any]) -> tuple[str, str]:
    """Return the kind and the text of the error that a call of this process raises."""
    try:
        act(group)
    except Exception as error:
        return type(error).__name__, str(error)
    return "nothing", ""


def different_labels(group: Any) -> Any:
    labels = LABELS if dist.get_rank(group) < 2 else LABELS[::-1]
    return distributed.cross_entropy(tensor(X), tensor(labels), class_group=group)


def of_others(group: Any) -> Any:
    return distributed.cross_entropy(tensor(X), tensor(LABELS), class_group=group)


def t41(group: Any) -> Any:
    """Return the loss of what T41 names."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 8, generator=generator).double()
    y = torch.randint(0, 8, (6,), generator=generator)
    part = shared.block(x, (5, 3), dist.get_rank(group), 1)
    words = {"label_smoothing": 0.1, "spread": "others"}
    loss = distributed.cross_entropy(part, y, class_group=group, **words)
    return loss.item(), st.cross_entropy(x, y, **words).item()


def main(rank: int, size: int, store: str, out: str) -> None:
    """Do everything, in the same order as the other processes."""
    timeout = datetime.timedelta(seconds=60)
    place = {"init_method": f"file://{store}", "rank": rank, "world_size": size}
    dist.init_process_group("gloo", timeout=timeout, **place)
    torch.set_num_threads(1)
    count_collectives()
    world, pair = dist.group.WORLD, dist.new_group([0, 1])
    found: dict[str, Any] = {"losses 3": losses(world, SPLITS[3])}
    found["losses, one empty"] = losses(world, (0, 8, 0))
    found["layers 3"] = layers(world, SPLITS[3])
    found["second"] = second_derivatives(world, SPLITS[3])
    found["half"] = half_precision(world, SPLITS[3])
    found["averages"] = averages(world)
    found["merged"] = merged(world)
    found["different labels"] = refused(world, different_labels)
    if rank < 2:
        found["losses 2"] = losses(pair, SPLITS[2])
        found["layers 2"] = layers(pair, SPLITS[2])
        found["t41"] = t41(pair)
    else:
        found["others"] = refused(pair, of_others)
    mesh = dist.init_device_mesh("cpu", (3,))
    part = tensor(shared.block(X, SPLITS[3], rank, 1))
    found["mesh"] = distributed.cross_entropy(part, tensor(LABELS), class_group=mesh).item()
    dist.barrier()
    if rank < size - 1:
        found["lost"] = refused(world, of_others)
    with open(out, "wb") as file:
        pickle.dump(found, file)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:5])
