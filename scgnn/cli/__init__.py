"""The command scgnn-recipe. Everything heavy is imported inside the commands."""

from __future__ import annotations

import errno
import sys

from scgnn.cli import cache, check, diff, doctor, list, new, run, show, test  # noqa: F401
from scgnn.cli.app import RunInterruptedError, app
from scgnn.errors import UserError
from scgnn.execution import process_group

COMMAND_ORDER = ("run", "check", "show", "diff", "list", "new", "test", "cache", "doctor")
app.registered_commands.sort(key=lambda c: COMMAND_ORDER.index(c.name or c.callback.__name__))  # type: ignore[union-attr]


def main() -> None:
    """Run the command; a person's mistake is one sentence and exit code 2, no traceback."""
    try:
        with process_group.init_process_group():
            app(prog_name="scgnn-recipe")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
            raise
        where = f"{error.filename}: " if error.filename else ""
        advice = "make room, then --resume goes on from the last finished stage"
        sys.stderr.write(f"{where}{error.strerror}; {advice}\n")
        sys.exit(1)
    except ImportError as error:
        sys.stderr.write(f"{error}; 'scgnn-recipe doctor' says what is not well installed\n")
        sys.exit(1)
    except RunInterruptedError as stop:
        sys.stderr.write(f"{stop}\n")
        sys.exit(130)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
