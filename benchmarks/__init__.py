"""How fast lambdasim is, beside loops and peers measured in the same run: `python -m benchmarks`; see README.md."""
