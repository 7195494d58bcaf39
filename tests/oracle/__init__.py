"""Independent references that the numbers of the library are checked against.

`case` is the data of one test, `exact` the oracle with 80 working digits (mpmath), `plain` the
textbook formula in NumPy in any dtype, and `budget` the error that a result may have.
Nothing here imports the library.
"""
