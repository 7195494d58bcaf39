"""Label smoothing at work: a small network on handwritten digits, on every array library.

``data`` splits the digits, ``network`` and ``training`` are the network and its training loop,
written once in array API operations, ``measures`` says how good and how calibrated the result is.
``study`` compares amounts of smoothing, ``agreement`` compares libraries; ``tables``, ``sentences``
and ``picture`` show what was measured, and ``command`` does one after the other.
"""
