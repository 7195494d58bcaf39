"""What the losses of softtargets cost in time and memory, beside what else a user could pick.

    python -m bench run                         measure on the host, into bench/results/cpu.csv
    python -m bench run --device cuda           on a GPU, into bench/results/cuda.csv
    python -m bench report                      tables and plots of these, into docs/_generated
    python -m bench compare REV_A REV_B         two commits against each other

How it measures is in docs/benchmarks.md. A library that is not installed loses its rows only.
"""
