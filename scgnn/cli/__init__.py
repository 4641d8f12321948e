"""The command ``scgnn-recipe``; everything heavy is imported inside the commands."""

from __future__ import annotations

import errno
import os
import sys
import warnings

from scgnn.arguments import escape_controls, shorten
from scgnn.cli import cache, check, diff, doctor, list, new, run, show, test  # noqa: F401
from scgnn.cli.app import RunInterruptedError, app
from scgnn.cli.heartbeat import announce, start_heartbeat
from scgnn.cli.streams import STREAM_NAMES, prepare_streams
from scgnn.cli.watch import is_interrupted, run_watched
from scgnn.errors import DISK_ERRNOS, PATH_ERRNOS, UserError
from scgnn.execution import process_group
from scgnn.execution.resources import set_spin_count
from scgnn.interface import use_command_line

COMMAND_ORDER = ("run", "check", "show", "diff", "list", "new", "test", "cache", "doctor")
app.registered_commands.sort(key=lambda c: COMMAND_ORDER.index(c.name or c.callback.__name__))  # type: ignore[union-attr]


def start() -> None:
    """Start the command; ``run`` in a process of its own, so that it ends when interrupted."""
    prepare_streams()
    if sys.argv[1:2] == ["run"] and hasattr(os, "fork"):
        if process_group.world_size() == 1:
            run_watched(main)
        if process_group.rank() == 0:
            start_heartbeat()
    main()


def main() -> None:
    """Run the command; a user error is one sentence and exit code 2, without a traceback."""
    set_spin_count()
    # where /dev/shm is small; nothing here uses joblib's processes
    warnings.filterwarnings("ignore", ".*joblib will operate in serial mode")
    try:
        with use_command_line(), process_group.init_process_group():
            try:
                app(prog_name="scgnn-recipe")
            except Exception as error:
                if is_interrupted() and not isinstance(error, RunInterruptedError):
                    raise KeyboardInterrupt from error  # a library replaced it
                raise
            finally:
                sys.stdout.flush()
    except OSError as error:
        if error.errno not in (*DISK_ERRNOS, *PATH_ERRNOS):
            raise
        if error.errno == errno.ENAMETOOLONG:
            path = shorten(str(error.filename or "path"))
            _exit(f"{path}: {error.strerror}; use shorter names of files and folders", 2)
        path = f"{error.filename}: " if error.filename else ""
        advice = "; once resolved, use --resume to continue from the last finished stage"
        _exit(f"{path}{error.strerror}{'' if error.filename in STREAM_NAMES else advice}", 1)
    except ImportError as error:
        _exit(f"{error}; run 'scgnn-recipe doctor' to check the installation", 1)
    except RunInterruptedError as error:
        sys.stderr.write(f"{escape_controls(str(error))}\n")
        sys.stderr.flush()
        announce("")  # is printed; what is left may take longer to end
        sys.exit(130)
    except KeyboardInterrupt:  # before the command; the watching process prints the sentence
        sys.exit(130)
    except UserError as error:
        _exit(str(error), 2)


def _exit(message: str, code: int) -> None:
    sys.stderr.write(f"{escape_controls(message)}\n")
    sys.exit(code)
