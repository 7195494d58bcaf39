"""What softtargets.distributed does on four devices, for test_distributed_jax.py."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import softtargets as st
from softtargets import distributed
from tests.backends import assert_close
from tests.frameworks import distributed_cases as shared
from tests.frameworks.distributed_cases import CASES, LABELS, LINEAR, X

LINE = Mesh(np.array(jax.devices()), ("classes",))
GRID = Mesh(np.array(jax.devices()).reshape(2, 2), ("rows", "classes"))
#: Each takes some seconds to compile.
NAMES = ("rows of their own", "bucket", "confidence")


def near(value: Any, want: Any, ulps: float = 64) -> None:
    assert_close(value, want, ulps=ulps, scale=4.0)


def losses() -> None:
    """Value, analytic gradient and the gradient that JAX finds, inside and outside."""
    parts = P(None, "classes")
    mapped = partial(jax.shard_map, mesh=LINE, in_specs=parts)
    for name in NAMES:
        case = CASES[name].converted(jnp.asarray)
        want = CASES[name].whole()

        def local(x: Any, case: Any = case) -> Any:
            words = {"class_group": "classes", **case.options}
            return distributed.cross_entropy(x, case.targets, **words)

        def inside(x: Any, case: Any = case, local: Any = local) -> Any:
            evaluate = distributed.value_and_grad(distributed.cross_entropy)
            both = evaluate(x, case.targets, class_group="classes", **case.options)
            return *both, jax.grad(lambda x: jnp.sum(local(x)))(x)

        def everything(x: Any, inside: Any = inside, local: Any = local) -> Any:
            outside = mapped(local, out_specs=P())
            found = mapped(inside, out_specs=(P(), parts, parts))(x)
            return *found, jax.grad(lambda x: jnp.sum(outside(x)))(x)

        value, *gradients = jax.jit(everything)(case.logits)
        near(value, want[0])
        for gradient in gradients:
            near(gradient, want[1])


def mesh() -> None:
    """Rows and classes on a mesh, compiled: one mean of all rows, and the gradient of it."""
    x, labels, weight = (jnp.asarray(a) for a in (X, shared.IGNORED, shared.WEIGHT))
    words = {"label_smoothing": 0.1, "spread": "others"}

    def local(x: Any, labels: Any) -> Any:
        groups = {"row_group": "rows", "class_group": "classes"}
        return distributed.cross_entropy(x, labels, class_weight=weight, **groups, **words)

    loss = jax.shard_map(
        local, mesh=GRID, in_specs=(P("rows", "classes"), P("rows")), out_specs=P()
    )
    value, gradient = jax.jit(jax.value_and_grad(loss))(x, labels)
    words["class_weight"] = shared.WEIGHT
    want = st.value_and_grad(st.cross_entropy)(X, shared.IGNORED, **words)
    near(value, want[0])
    near(gradient, want[1])


def layers() -> None:
    """A layer whose classes are on four devices, in a loop over blocks of rows."""
    for name in ("linear others", "linear prior"):
        case = LINEAR[name].converted(jnp.asarray)
        want = LINEAR[name].whole()
        arrays = [jnp.asarray(shared.FEATURES), jnp.asarray(shared.LAYER)]
        specs = [P(), P("classes", None)]
        if case.bias is not None:
            arrays.append(case.bias)
            specs.append(P("classes"))

        def local(*layer: Any, case: Any = case) -> Any:
            words = dict(case.options, class_group="classes")
            if len(layer) == 3:
                words["bias"] = layer[2]
            evaluate = distributed.value_and_grad(distributed.linear_cross_entropy)
            return evaluate(*layer[:2], case.targets, **words)

        specs = tuple(specs)
        both = jax.shard_map(local, mesh=LINE, in_specs=specs, out_specs=(P(), specs))
        value, gradients = jax.jit(both)(*arrays)
        near(value, want[0])
        for gradient, other in zip(gradients, want[1], strict=True):
            near(gradient, other)


def merged() -> None:
    """Counters of calibration, and states, merged over axes of a mesh."""
    x, labels = jnp.asarray(X), jnp.asarray(LABELS)

    def local(x: Any, labels: Any) -> Any:
        bins = st.calibration.CalibrationBins(from_logits=True, num_bins=5)
        bins.update(x, labels)
        return distributed.merge(bins, "rows").state_dict()

    def state(x: Any) -> Any:
        first = jax.lax.axis_index("classes") * x.shape[1]
        part = st.SoftmaxState.of(x, labels, first_class=first, num_classes=8)
        return distributed.merge(part, ("classes",)).loss()

    counts = jax.shard_map(local, mesh=GRID, in_specs=(P("rows"), P("rows")), out_specs=P())
    bins = st.calibration.CalibrationBins(from_logits=True, num_bins=5)
    bins.update(X, LABELS)
    for name, array in jax.jit(counts)(x, labels).items():
        np.testing.assert_array_equal(array, bins.state_dict()[name])
    loss = jax.shard_map(state, mesh=LINE, in_specs=P(None, "classes"), out_specs=P())
    near(jax.jit(loss)(x), st.cross_entropy(X, LABELS))


def refused() -> None:
    """The name of an axis is for JAX arrays."""

    def local(x: Any) -> Any:
        distributed.cross_entropy(X, LABELS, class_group="classes")
        return x

    # JAX says more, below.
    rule = "be a process group or a Group, unless arrays are those of JAX"
    with pytest.raises(TypeError, match=f"^class_group must {rule}, got 'classes'(\n|$)"):
        jax.shard_map(local, mesh=LINE, in_specs=P(), out_specs=P())(jnp.zeros(4))


if __name__ == "__main__":
    for check in (losses, mesh, layers, merged, refused):
        check()
        print(check.__name__, flush=True)
