"""Standard streams of a command, whose output may have no reader any more."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

STREAM_NAMES = "standard output", "standard error"
UNREAD_ERRNOS = (errno.EPIPE, errno.EIO)  # of a pipe, of a terminal


class _OutputFile(io.FileIO):
    """A standard stream whose output is dropped once it cannot be written."""

    is_broken = False

    def write(self, data: Any) -> int:
        if self.is_broken:
            return len(data)
        try:
            return super().write(data) or 0
        except OSError as error:
            self.is_broken = True
            if error.errno not in UNREAD_ERRNOS:
                name = STREAM_NAMES[self.fileno() - 1]
                raise OSError(error.errno, os.strerror(error.errno or 0), name) from None
            return len(data)


def prepare_streams() -> None:
    """Keep the command and its exit code independent of who reads its output.

    Without this, ``scgnn-recipe run … | head`` fails at a line that is not read. A stream that
    was closed before the start is opened on the null device, because the next file would take
    its number, and receive its output.
    """
    if sys.platform == "win32":
        return
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = _wrap(1, sys.stdout)
    sys.stderr = _wrap(2, sys.stderr)


def _wrap(number: int, stream: Any) -> io.TextIOWrapper:
    names = ("encoding", "errors", "line_buffering", "write_through") if stream else ()
    settings = {name: getattr(stream, name) for name in names}
    file = _OutputFile(number, "wb", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(file), **settings)
