"""Groups of processes of ``torch.distributed``, for tensors and for NumPy arrays."""

import functools
import time
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist

from softtargets._array import errors
from softtargets._array.host import from_view
from softtargets._array.kinds import is_numpy, is_torch
from softtargets.distributed.groups import Group
from softtargets.typing import Array

#: Seconds in which a closed connection shows.
_PATIENCE = 0.05
#: Marks what is sent to see whether a connection is open.
_TAG = 7305


def find(given: Any, argument: str) -> Group | None:
    """Return the group of a process group or of a mesh of one dimension, None for anything else."""
    if isinstance(given, dist.ProcessGroup):
        return ProcessGroup(given, argument)
    if isinstance(given, int) and given == dist.GroupMember.NON_GROUP_MEMBER:
        errors.bad_value(argument, "have this process in it", "a group of others")
    if isinstance(given, dist.DeviceMesh):
        if given.ndim != 1:
            errors.bad_value(argument, "have one dimension", f"a mesh of shape {given.shape}")
        return ProcessGroup(given.get_group(), argument)
    return None


class ProcessGroup(Group):
    """Collectives of a process group. Where autograd records, it differentiates sums."""

    differentiates = True

    def __init__(self, group: Any, argument: str, factor: float = 1.0) -> None:
        self.group, self.argument, self.factor = group, argument, factor
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)

    @property
    def key(self) -> Any:
        """The process group."""
        return self.group

    def maximum(self, array: Array) -> Array:
        """Return the largest entries over all processes."""
        return self._reduced(array, dist.ReduceOp.MAX)

    def sum(self, array: Array) -> Array:
        """Return the sums over all processes; the gradient of one is that of each part of it."""
        if is_torch(array) and array.requires_grad and torch.is_grad_enabled():
            return _conjugates()[0].apply(array, self)
        return self._reduced(array, dist.ReduceOp.SUM)

    def replicated(self, array: Array) -> Array:
        """Return an array whose gradient is the sum of those of all processes."""
        return _conjugates()[1].apply(array, self)

    def zeros(self, count: int, dtype: str) -> Array:
        """Return zeros where the backend wants them: NumPy's in host memory."""
        device = self._device()
        found = torch.zeros(count, dtype=getattr(torch, dtype), device=device)
        return found.numpy() if device.type == "cpu" else found

    def scaled(self, factor: float) -> "ProcessGroup":
        """Return the group whose sums have gradients that are multiplied by ``factor``."""
        return ProcessGroup(self.group, self.argument, factor)

    def gather(self, numbers: Sequence[int]) -> list[tuple[int, ...]]:
        """Return the numbers of every process."""
        own = torch.tensor(numbers, dtype=torch.int64, device=self._device())
        all_ = [torch.empty_like(own) for _ in range(self.size)]
        self._call("comparison", dist.all_gather, all_, own)
        return [tuple(some.tolist()) for some in all_]

    def _device(self) -> Any:
        if "nccl" in dist.get_backend(self.group):  # pragma: no cover - needs several GPUs
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("cpu")

    def _reduced(self, array: Array, operation: Any) -> Array:
        tensor = from_view(array) if is_numpy(array) else array
        tensor = tensor.detach().clone(memory_format=torch.contiguous_format)
        self._call("reduction", dist.all_reduce, tensor, op=operation)
        return tensor.numpy() if is_numpy(array) else tensor

    def _call(self, what: str, function: Any, *arguments: Any, **words: Any) -> None:
        try:
            function(*arguments, group=self.group, **words)
        except RuntimeError as error:
            reason = f"rank {self.rank}, {what}: {error}"
            errors.lost(self.argument, self.size, self._lost(), reason, error)

    def _lost(self) -> list[int]:
        """Return the ranks to which the connection is closed, where the backend tells."""
        if dist.get_backend(self.group) != "gloo":  # pragma: no cover - needs several GPUs
            return []
        others = (rank for rank in range(self.size) if rank != self.rank)
        return [rank for rank in others if self._is_closed(rank)]

    def _is_closed(self, rank: int) -> bool:
        try:
            place = dist.get_global_rank(self.group, rank)
            work = dist.isend(torch.zeros(1), place, self.group, _TAG)
            time.sleep(_PATIENCE)
            # Over a closed connection it has failed by now; others may be busy.
            return work.is_completed() and not work.wait()
        except RuntimeError:
            return True


@functools.cache
def _conjugates() -> tuple[Any, Any]:
    """Return the sum over a group, and the use of one array by all of it: each is the gradient of
    the other.
    """

    class Sum(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, array: Array, group: ProcessGroup) -> Array:
            ctx.group = group
            return group._reduced(array, dist.ReduceOp.SUM)

        @staticmethod
        def backward(ctx: Any, upstream: Array) -> tuple[Array, None]:
            return Replicated.apply(upstream * ctx.group.factor, ctx.group), None

    class Replicated(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, array: Array, group: ProcessGroup) -> Array:
            ctx.group = group
            return array.view_as(array)

        @staticmethod
        def backward(ctx: Any, upstream: Array) -> tuple[Array, None]:
            return Sum.apply(upstream.contiguous(), ctx.group), None

    return Sum, Replicated
