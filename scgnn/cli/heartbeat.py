"""Messages of the process that computes to the one that watches over it, and signs of life.

Libraries hold the interpreter for minutes. While they do, the process that computes can print
nothing, so the other one prints which stage is running, and since when.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
import time

from scgnn.execution.formatting import LOG_FORMAT, format_duration

LINE_SECONDS = 50.0  # between two lines in a pipe and in log.txt
REDRAW_SECONDS = 2.0  # in a terminal
ALIVE_SECONDS = 1.0  # between two signs of life of a process that draws in a terminal
MAX_MESSAGE_BYTES = 4096  # which a pipe writes in one piece
CLEAR_LINE = "\r\x1b[2K"
END = b"e"  # of the messages; others begin with one of the following
TEXT, STAGE, LOG_FILE, OUTPUT, ALIVE = b"t", b"s", b"l", b"o", b"a"

_pipe: int | None = None  # to the process that watches; None if there is none


def connect(pipe: int | None) -> None:
    """Send the messages of this process to a pipe, or nowhere."""
    global _pipe
    _pipe = pipe


def announce(message: str) -> None:
    """Tell the parent what to print if this process cannot end itself when interrupted."""
    _send(TEXT, message.encode(errors="replace"))


def report_stage(stage: str) -> None:
    """Tell the parent which stage has started; "" if none runs and nothing is to be printed."""
    for handler in logging.getLogger("scgnn").handlers:
        if isinstance(handler, logging.FileHandler):
            _send(LOG_FILE, os.fsencode(handler.baseFilename))
    _send(STAGE, stage.encode(errors="replace"))


def report_output() -> None:
    """Tell the parent that this process has printed a line."""
    _send(OUTPUT)


def report_alive() -> None:
    """Tell the parent that this process draws in the terminal itself."""
    _send(ALIVE)


def _send(kind: bytes, content: bytes = b"") -> None:
    if _pipe is not None and len(content) < MAX_MESSAGE_BYTES - 1:
        with contextlib.suppress(OSError):
            os.write(_pipe, kind + content + b"\0")


def start_heartbeat() -> None:
    """Show the stages of this process, which nothing watches over, in a thread of its own."""
    reader, writer = os.pipe()
    connect(writer)
    Heartbeat(reader, writer).start()


class Heartbeat(threading.Thread):
    """Reader of the messages, which prints the current stage when nothing else is printed.

    Parameters
    ----------
    reader, writer
        Ends of the pipe of messages.
    stderr
        File descriptor of standard error.

    Attributes
    ----------
    messages
        The announced messages.
    """

    def __init__(self, reader: int, writer: int, stderr: int = 2) -> None:
        super().__init__(daemon=True)
        self.reader, self.writer, self.stderr = reader, writer, stderr
        self.is_terminal = os.isatty(stderr)
        self.messages: list[str] = []
        self.stage, self.log_file = "", b""
        self.start_time = self.line_time = self.alive_time = time.monotonic()

    def stop(self) -> None:
        """Handle the messages that were sent, then end."""
        os.write(self.writer, END + b"\0")
        self.join()

    def run(self) -> None:
        import select

        rest = b""
        while True:
            wait = REDRAW_SECONDS / 2 if self.is_terminal else LINE_SECONDS / 10
            if select.select([self.reader], [], [], wait)[0]:
                *messages, rest = (rest + os.read(self.reader, 16 * MAX_MESSAGE_BYTES)).split(b"\0")
                for message in messages:
                    if message == END:
                        return
                    self._process_message(message[:1], message[1:])
            if self.stage:
                self._print(time.monotonic())

    def _process_message(self, kind: bytes, content: bytes) -> None:
        now = time.monotonic()
        if kind == TEXT:
            self.messages.append(content.decode(errors="replace"))
        elif kind == STAGE:
            self.stage = content.decode(errors="replace")
            self.start_time = self.alive_time = now
        elif kind == LOG_FILE:
            self.log_file = content
        elif kind == OUTPUT:
            self.line_time = now
        elif kind == ALIVE:
            self.alive_time = now

    def _print(self, now: float) -> None:
        """Print the stage if nothing was printed for too long."""
        text = f"{self.stage}{'running':>15}  for {format_duration(now - self.start_time)}"
        if self.is_terminal and now - self.alive_time >= REDRAW_SECONDS:
            # over the last line that is displayed, which the process will draw again
            width = shutil.get_terminal_size().columns - 1
            self._write(f"{CLEAR_LINE}{text[:width]}".encode(errors="replace"))
        if now - self.line_time >= LINE_SECONDS:
            self.line_time = now
            if not self.is_terminal:
                self._write(f"{text}\n".encode(errors="replace"))
            self._append_to_log(text)

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # nobody reads it any more
            os.write(self.stderr, data)

    def _append_to_log(self, text: str) -> None:
        """Append a line to the log if it exists: its folder may have been removed."""
        record = logging.LogRecord("scgnn", logging.INFO, "", 0, text, None, None)
        line = logging.Formatter(LOG_FORMAT).format(record)
        with contextlib.suppress(OSError):
            number = os.open(self.log_file, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(number, f"{line}\n".encode(errors="replace"))
            finally:
                os.close(number)
