"""The command line: ``python -m tests.benchmarks [NAME ...]``."""

import argparse
from importlib import import_module
from pathlib import Path

from ._machine import describe
from ._process import Failed
from .libraries import NAMES, installed
from .workloads import WORKLOADS

BENCHMARKS = {
    name: f"tests.benchmarks.{name}"
    for name in (
        "training", "products", "dropout", "penalties", "prediction", "grid_search", "text", "lbfgs", "memory",
        "linear_time", "cold_start",
    )
}  # fmt: skip


def make_parser():
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure (default: everything)")
    parser.add_argument("--list", action="store_true", help="say what there is to measure, and end")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, metavar="W", help="networks to train")
    parser.add_argument("--libs", nargs="+", choices=NAMES, metavar="LIB", help="libraries (default: those installed)")
    parser.add_argument("--dtype", nargs="+", choices=("float32", "float64"), default=["float32", "float64"])
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the fastest counts (default: 5)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to a file as well")
    return parser


def overview():
    lines = ["Benchmarks:"]
    lines += [f"  {name:12} {import_module(path).TITLE}" for name, path in BENCHMARKS.items()]
    lines += ["Workloads of training:"]
    lines += [f"  {name:12} {workload}" for name, workload in WORKLOADS.items()]
    return "\n".join([*lines, f"Libraries installed: {', '.join(installed())}"])


def main():
    parser = make_parser()
    options = parser.parse_args()
    unknown = set(options.names) - BENCHMARKS.keys()
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; --list names them")
    if options.list:
        print(overview())
        return
    options.libs = options.libs or installed()
    options.workloads = options.workloads or list(WORKLOADS)
    parts = [describe(options.libs)]
    print(parts[0], flush=True)
    for name in options.names or BENCHMARKS:
        try:
            table = import_module(BENCHMARKS[name]).run(options)
        except Failed as error:
            print(f"\n{name} failed: {error}", flush=True)
            continue
        print(f"\n{table.text()}", flush=True)
        parts.append(table.markdown())
        if options.markdown:
            options.markdown.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
