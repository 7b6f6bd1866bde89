"""How fast skreg is on this machine, beside other libraries where they are installed.

Run ``python -m tests.benchmarks --list`` for what there is to measure, and ``--help`` for the options. A benchmark
is a module with ``TITLE`` and ``run(options)``, which returns a `Table`; it is named in `__main__`. Whatever is timed
runs in a process of its own (`_process`), one at a time.
"""
