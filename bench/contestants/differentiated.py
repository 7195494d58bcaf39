"""A loss of torch, forward and backward, as a training step would call it."""

from collections.abc import Callable
from typing import Any

from bench.arrays import Unsupported, need
from bench.contestants.base import Run, Setup, pair

Array = Any


def torch_run(
    setup: Setup,
    loss: Callable[..., Array],
    compute: str,
    *,
    compiled: bool = False,
    overwrites: bool = False,
) -> Run:
    """Return the run of ``loss(*leading)``: with its backward pass if the case has a gradient.

    A loss that overwrites its input gets the numbers anew before each call.
    """
    torch = need("torch")
    given = setup.leading("torch")
    if compiled:
        loss = torch.compile(loss, dynamic=False, fullgraph=True)
    if not setup.case.gradient:

        def forward() -> Any:
            with torch.no_grad():
                return loss(*given), ()

        return Run(forward, compute)

    upstream = {"": 1.0, "upstream 2": 2.0}.get(setup.entry.option)
    if upstream is None:
        raise Unsupported(f"has no option {setup.entry.option!r}")
    leaves = tuple(
        (array.clone() if overwrites else array.detach()).requires_grad_() for array in given
    )
    scale = torch.tensor(upstream, device=leaves[0].device)

    def reset() -> None:
        for leaf, array in zip(leaves, given, strict=True):
            leaf.grad = None
            if overwrites:
                leaf.data.copy_(array)

    def both() -> Any:
        value = loss(*leaves)
        if upstream == 1.0:
            value.backward()
        else:
            value.backward(scale.to(value.dtype))
        return pair(value.detach(), tuple(leaf.grad for leaf in leaves))

    return Run(both, compute, reset=reset, upstream=upstream)
