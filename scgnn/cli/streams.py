"""Standard streams of a command: any encoding, and output that may have no reader any more."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import unicodedata
from typing import Any

from scgnn.arguments import escape_controls

STREAM_NAMES = "standard output", "standard error"
UNREAD_ERRNOS = (errno.EPIPE, errno.EIO)  # of a pipe, of a terminal
TO_ASCII = "scgnn.to_ascii"  # name of an error handler of encodings
STRICT_HANDLERS = ("strict", "surrogateescape", "backslashreplace")  # of Python, not of the user
ASCII_SYMBOLS = {
    **{"−": "-", "–": "-", "—": "-", "‖": "||", "·": "*", "∘": "*", "×": "x", "±": "+/-"},
    **{"…": "...", "∞": "inf", "≤": "<=", "≥": ">=", "≠": "!=", "→": "->", "←": "<-"},
    **{"√": "sqrt", "∂": "d", "∝": "~", "\u2044": "/", "‘": "'", "’": "'", "“": '"', "”": '"'},
    **{"λ": "lambda", "Λ": "Lambda", "\u0302": "^"},  # the hat of an estimate
    **{"▲": "(better)", "▼": "(worse)", "◆": "(changed)"},
    **{"△": "(perhaps better)", "▽": "(perhaps worse)", "◇": "(perhaps changed)"},
}


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


def encode_as_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace a character that a stream cannot encode by ASCII; an error handler of ``codecs``.

    Bytes of a file name that are not text stay as they are.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character, end = error.object[error.start], error.start + 1
    if "\udc80" <= character <= "\udcff":
        return bytes([ord(character) - 0xDC00]), end
    return to_ascii(character), end


def to_ascii(character: str) -> str:
    """Return the ASCII that is used for a character, or its number where there is none."""
    if character.isascii() or character in ASCII_SYMBOLS:
        return ASCII_SYMBOLS.get(character, character)
    words = unicodedata.name(character, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words[1:3] and len(words) == 4:
        return words[3].title() if words[1] == "CAPITAL" else words[3].lower()
    mark, _, codes = unicodedata.decomposition(character).rpartition("> ")
    parts = [chr(int(code, 16)) for code in codes.split()]
    if unicodedata.combining(character):
        return ""  # an accent
    if not parts:
        return character.encode("ascii", "backslashreplace").decode()
    sign = {"<super": "^", "<sub": "_"}.get(mark, "")
    return sign + "".join(map(to_ascii, parts))


codecs.register_error(TO_ASCII, encode_as_ascii)


def _wrap(number: int, stream: Any) -> io.TextIOWrapper:
    names = ("encoding", "errors", "line_buffering", "write_through") if stream else ()
    settings = {name: getattr(stream, name) for name in names}
    if settings.get("errors", "strict") in STRICT_HANDLERS:
        settings["errors"] = TO_ASCII
    file = _OutputFile(number, "wb", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(file), **settings)


def print_text(text: str = "", *, end: str = "\n", flush: bool = False) -> None:
    """Print text that may have names of the user's, whose control characters are escaped."""
    print(escape_controls(text), end=end, flush=flush)
