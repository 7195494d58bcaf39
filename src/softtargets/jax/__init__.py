"""JAX: values of this library as trees of arrays (pytrees), and losses with their own derivative.

Importing this module registers :class:`softtargets.Targets`, :class:`softtargets.Mixing`,
:class:`softtargets.SoftmaxState`, :class:`softtargets.OnlineLabelSmoothing`,
:class:`softtargets.calibration.CalibrationBins` and
:class:`softtargets.calibration.CalibrationSummary` with JAX. From then on they are arguments and
results of ``jit``, ``grad``, ``vmap``, ``scan`` and ``shard_map`` like any tree. Their arrays are
the leaves, and so are the amounts of smoothing and mixing; options and the number of classes belong
to the structure, and another one compiles anew. Records such as
:class:`softtargets.calibration.TemperatureFit` are named tuples, which JAX knows.

>>> import jax
>>> import jax.numpy as jnp
>>> import softtargets as st
>>> import softtargets.jax
>>> loss = jax.jit(st.cross_entropy)
>>> targets = st.Targets.from_labels(jnp.asarray([0]), 3).smooth(0.1)
>>> round(float(loss(jnp.asarray([[1.0, 2.0, 3.0]]), targets)), 5)
2.30761
"""

from softtargets.jax.axes import row_axes
from softtargets.jax.derivatives import analytic
from softtargets.jax.trees import register

register()

__all__ = ["analytic", "row_axes"]
