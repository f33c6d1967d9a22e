"""`python -m bench [NAMES…] [--quick] [--json FILE]`: measures, prints a table, and keeps the figures."""

import argparse
import sys
import time
from pathlib import Path

from bench.report import append, table
from bench.run import BENCHMARKS, run
from bench.sizes import QUICK, REAL

RESULTS = Path(__file__).parent / "results.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)} (all of them)")
    parser.add_argument("--quick", action="store_true", help="small sizes: a look, not a result; nothing is kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures are kept (bench/results.json)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {sorted(unknown)[0]!r}: there are {', '.join(BENCHMARKS)}")
    started = time.monotonic()
    found = run(
        options.names or list(BENCHMARKS),
        QUICK if options.quick else REAL,
        say=lambda line: print(f"{time.monotonic() - started:6.0f} s  {line}", file=sys.stderr, flush=True),
    )
    print(table(found))
    file = options.json or (None if options.quick else RESULTS)
    if file is not None:
        append(file, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
