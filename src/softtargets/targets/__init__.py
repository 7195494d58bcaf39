"""Soft targets: the :class:`Targets` value and the functions that build targets."""
