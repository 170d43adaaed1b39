"""Print how many milliseconds the import of some modules takes; for a fresh process."""

import sys
from importlib import import_module
from time import perf_counter

if __name__ == "__main__":
    begin = perf_counter()
    for name in sys.argv[1:]:
        import_module(name)
    print((perf_counter() - begin) * 1_000)
