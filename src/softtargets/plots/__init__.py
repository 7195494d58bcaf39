"""Pictures of calibration, of what was learnt, and of how much smoothing there is.

Import it by name: ``from softtargets import plots``. Each function draws into the axes that it is
given, or into a new figure, and returns the axes: ``axes.figure.savefig("picture.pdf")``. It takes
numbers on the host. matplotlib is imported at the first picture; the module that keeps windows and
a current figure, pyplot, never.

Colours are told apart with any kind of colour vision, and lines and points also by their marks, so
that pictures can be printed without colour.
"""

from softtargets.plots.curves import logit_gap, sweep
from softtargets.plots.diagrams import projection, targets
from softtargets.plots.reliability import reliability

__all__ = ["logit_gap", "projection", "reliability", "sweep", "targets"]
