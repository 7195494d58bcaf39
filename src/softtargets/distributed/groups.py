"""Those who hold the parts of one problem, and what they say to each other."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from softtargets._array import errors
from softtargets._array.kinds import is_array, is_jax, is_numpy, is_torch
from softtargets.typing import Amount, Array


class Group(ABC):
    """Processes that together hold the classes, or the rows, of one loss.

    Wherever a group is asked for, a ``torch.distributed`` process group, a one-dimensional
    ``DeviceMesh`` or the name of a JAX mesh axis will do. Anything else that adds up arrays is
    connected by a subclass with ``rank``, ``size`` and the three methods.

    Examples
    --------
    A group of one:

    >>> import numpy as np
    >>> from softtargets import distributed
    >>> class Alone(distributed.Group):
    ...     rank, size = 0, 1
    ...
    ...     def maximum(self, array):
    ...         return array
    ...
    ...     def sum(self, array):
    ...         return array
    ...
    ...     def gather(self, numbers):
    ...         return [tuple(numbers)]
    >>> x, labels = np.array([[1.0, 2.0, 3.0]]), np.array([0])
    >>> distributed.cross_entropy(x, labels, class_group=Alone(), label_smoothing=0.1).round(6)
    np.float64(2.307606)
    """

    #: The number of this process in the group, counted from 0.
    rank: Amount
    #: The number of processes.
    size: int

    @abstractmethod
    def maximum(self, array: Array) -> Array:
        """Return the largest entries over the arrays of all processes, which have one shape.

        Parameters
        ----------
        array : array
            Of the library and device of the logits. It is not changed.

        Returns
        -------
        array
        """

    @abstractmethod
    def sum(self, array: Array) -> Array:
        """Return the sums over the arrays of all processes, the same bits on each of them.

        Parameters
        ----------
        array : array
            Of the library and device of the logits. It is not changed.

        Returns
        -------
        array
        """

    @abstractmethod
    def gather(self, numbers: Sequence[int]) -> list[tuple[int, ...]]:
        """Return the numbers of every process, in the order of their ranks.

        Parameters
        ----------
        numbers : sequence of int
            As many on each process, each below 2^63.

        Returns
        -------
        list of tuple of int
        """

    @property
    def key(self) -> Any:
        """What stays the same from call to call."""
        return self

    #: Whether the library that compiles the code sees to it that all shapes agree.
    traced: bool = False

    def zeros(self, count: int, dtype: str) -> Array:
        """Return zeros that may be added to the arrays of the others."""
        return np.zeros(count, dtype)

    def scaled(self, factor: float) -> "Group":
        """Return the group whose sums have gradients that are multiplied by ``factor``."""
        return self

    #: Whether autograd finds derivatives through the methods.
    differentiates: bool = False

    def replicated(self, array: Array) -> Array:
        """Return an array that all processes have, as what each of them uses for its own part: its
        gradient is the sum over all.
        """
        raise NotImplementedError


def as_group(given: Any, argument: str, like: Any) -> Group | None:
    """Return the group that an argument stands for, of members with arrays like ``like``; None for
    None.
    """
    if given is None or isinstance(given, Group):
        return given
    if isinstance(given, str) or (isinstance(given, tuple) and given):
        if is_array(like) and not is_jax(like):
            rule = "be a process group or a Group, unless arrays are those of JAX"
            errors.bad_type(argument, rule, repr(given))
        from softtargets.distributed.mesh_axis import MeshAxis

        return MeshAxis(given)
    if "torch.distributed" in sys.modules:
        from softtargets.distributed.process_group import find

        found = find(given, argument)
        if found is not None:
            if is_array(like) and not (is_torch(like) or is_numpy(like)):
                rule = "be a mesh axis or a Group, unless arrays are those of PyTorch or NumPy"
                errors.bad_type(argument, rule, "a process group")
            return found
    rule = "be a process group, the name of a mesh axis, or a Group"
    errors.bad_type(argument, rule, type(given).__name__)
