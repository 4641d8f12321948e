"""The command ``scgnn-recipe``, also as ``python -m scgnn``."""

from __future__ import annotations

import sys
from contextlib import nullcontext

from scgnn.signals import exit_on_signals


def start() -> None:
    """Start the command; its libraries take a moment to load, in which it may be interrupted."""
    if sys.flags.optimize > 1:
        sys.stderr.write("python -OO removes docstrings, which anndata and scgnn need: use -O\n")
        sys.exit(2)
    with exit_on_signals() if sys.argv[1:2] == ["run"] else nullcontext():
        from scgnn.cli import start as start_command
    start_command()


if __name__ == "__main__":
    start()
