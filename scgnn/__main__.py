"""The command ``scgnn-recipe``, also as ``python -m scgnn``."""

from __future__ import annotations

import sys
from contextlib import nullcontext

from scgnn.signals import exit_on_signals


def start() -> None:
    """Start the command; its libraries take a moment to load, in which it may be interrupted."""
    with exit_on_signals() if sys.argv[1:2] == ["run"] else nullcontext():
        from scgnn.cli import start as start_command
    start_command()


if __name__ == "__main__":
    start()
