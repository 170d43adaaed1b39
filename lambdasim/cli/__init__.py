"""The command `lambdasim`, which comes with the extra `cli`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from io import TextIOWrapper
from typing import Final

_NEEDED: Final = ("click", "matplotlib", "pydantic", "rich")


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run the command, and end the process.

    Args:
        arguments: Those of the command line if there are none.
    Raises:
        SystemExit: Always: with 0, or with 2 when something has to be changed, such as a package that is missing.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        print(
            f"The command lambdasim needs {', '.join(missing)}; install it with: "
            "python -m pip install 'lambdasim[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    from lambdasim.cli.commands import group

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a title may have letters that a terminal does not
    group.main(args=None if arguments is None else list(arguments), prog_name="lambdasim")


__all__ = ["main"]
