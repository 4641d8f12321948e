"""Checks of arguments: their types, local paths, and text files of limited size."""

from __future__ import annotations

import codecs
import errno
import os
import re
import stat
import sys
from contextlib import suppress
from pathlib import Path

from scgnn.errors import InputError, UserError

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # but tabs and new lines
MAX_TEXT_BYTES = 10**6  # of a recipe, study or plug-in file
MAX_SHOWN_CHARACTERS = 60
WIDE_ENCODINGS = {  # the marks of the first begin with those of the second
    "UTF-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "UTF-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}
MAX_PATH_DEPTH = 500  # folders
MAX_NAME_BYTES = 255  # of a file or folder
# pathlib has one slash of s3://bucket left; a single letter is a drive of Windows
URL_PATTERN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")


def shorten(text: str) -> str:
    """Return text, cut where it is too long for a message."""
    if len(text) < MAX_SHOWN_CHARACTERS:
        return text
    return f"{text[: MAX_SHOWN_CHARACTERS - 3]}..."


def is_unicode(text: str) -> bool:
    """Return whether text can be encoded as UTF-8, without lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def to_text(text: str) -> str:
    """Return text that can be encoded as UTF-8, with escapes for the other bytes of a path."""
    return text.encode(errors="backslashreplace").decode()


def escape_controls(text: str) -> str:
    """Return text without the control characters that a terminal would obey, as escapes."""
    return CONTROL_CHARACTERS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def check_type(name: str, value: object, types: type | tuple[type, ...], expected: str) -> None:
    """Check the type of an argument of a Python function.

    Raises
    ------
    UserError
        ``value`` is of none of ``types``, described as ``expected``.
    """
    if not isinstance(value, types):
        raise UserError(f"{name}: must be {expected}, not of type {type(value).__name__}")


def is_anndata(value: object) -> bool:
    """Return whether an argument is an AnnData, or another class with its attributes."""
    return all(hasattr(value, name) for name in ("X", "obs_names", "layers"))


def check_anndata(value: object) -> None:
    """Raise InputError unless an argument is an AnnData."""
    if not is_anndata(value):
        problem = (
            f"expected an AnnData, cells x genes, not an object of type {type(value).__name__}"
        )
        advice = "create it with anndata.AnnData(COUNTS)"
        if isinstance(value, str | os.PathLike):
            advice = "to read a file, use scgnn.run(RECIPE, data__reader=PATH)"
        raise InputError(f"{problem}; {advice}")


def check_local_path(path: str | os.PathLike[str]) -> None:
    """Check that text can be the path of a local file or folder, whether or not it exists.

    Raises
    ------
    InputError
        It is a URL, or is too long or has characters that a path cannot have.
    """
    text = os.fspath(path)
    if url := URL_PATTERN.match(text):
        shown = shorten(f"{url[1]}://{text[url.end() :]}")
        advice = "copy or mount the storage and give a path on this machine"
        raise InputError(f"{shown} is a URL, which is not supported: {advice}")
    if text.count(os.sep) > MAX_PATH_DEPTH or not is_unicode(text):
        problem = "has too many levels" if is_unicode(text) else "is not text in UTF-8"
        if not is_unicode(text) and sys.getfilesystemencoding() != "utf-8":
            problem = _describe_encoding()
        raise InputError(f"{shorten(repr(text))}: not a path ({problem})")
    try:
        if max(len(os.fsencode(name)) for name in text.split(os.sep)) > MAX_NAME_BYTES:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        os.lstat(text)
    except UnicodeEncodeError:
        raise InputError(f"{shorten(text)}: not a path ({_describe_encoding()})") from None
    except ValueError as error:  # e.g. with a null character
        raise InputError(f"{shorten(repr(text))}: not a path ({error})") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError(f"{shorten(text)}: not a path ({error.strerror})") from None


def _describe_encoding() -> str:
    """Return why a path cannot be used where the encoding of file names is not UTF-8."""
    encoding = sys.getfilesystemencoding()
    return f"has characters that the encoding of this locale, {encoding}, lacks; set PYTHONUTF8=1"


def expand_local_path(path: str) -> Path:
    """Return a path with ``~`` expanded; raises as :func:`check_local_path`."""
    check_local_path(path)
    return Path(os.path.expanduser(path))


def read_text_file(path: Path) -> str:
    """Return the text of a small regular file.

    Raises
    ------
    UserError
        It cannot be read, is not a regular file, is too large, or is not text in UTF-8.
    """
    check_local_path(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise UserError(f"{path}: is a device or pipe; give a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) > MAX_TEXT_BYTES:
        raise UserError(f"{path}: larger than {MAX_TEXT_BYTES / 1e6:g} MB; reduce the file")
    encoding = _detect_wide_encoding(content)
    if encoding:
        raise UserError(f"{path}: the text is encoded as {encoding}; save it as UTF-8")
    try:
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        if not _may_be_latin_1(content):
            raise UserError(f"{path}: not a text file") from None
        line = content.count(b"\n", 0, error.start) + 1
        problem = "the text is not encoded as UTF-8 but probably as Latin-1"
        raise UserError(f"{path}:{line}: {problem}; save it as UTF-8") from None


def _detect_wide_encoding(content: bytes) -> str:
    """Return UTF-16 or UTF-32 for text of these encodings, else ""."""
    for encoding, marks in WIDE_ENCODINGS.items():
        with suppress(UnicodeDecodeError):
            if content.startswith(marks) and content.decode(encoding):
                return encoding
    n_zeros = [content[start::2].count(0) for start in (0, 1)]  # of ASCII characters
    is_utf_16 = max(n_zeros) > len(content) / 4 > 4 * min(n_zeros) and len(content) % 2 == 0
    return "UTF-16" if is_utf_16 else ""


def _may_be_latin_1(content: bytes) -> bool:
    """Return whether bytes have no control characters and are mostly ASCII."""
    n_controls = sum(byte < 32 and byte not in b"\t\n\f\r" for byte in content)
    return not n_controls and sum(byte > 127 for byte in content) < len(content) / 4
