"""What the library knows about arrays: namespaces, devices, dtypes, axes, checks.

This is the lowest layer. It is the only one, besides the framework modules, that may name a
framework.
"""
