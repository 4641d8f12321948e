"""Exceptions caused by the user's input."""

from __future__ import annotations

import errno

# the disk is full, broken or limited
DISK_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)

# something else is where a file or folder should be, or it may not be written
PATH_ERRNOS = (errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES)


class UserError(Exception):
    """A problem that the user can fix. Commands print it without traceback and exit with code 2."""


class InputError(UserError):
    """Invalid or unusable data."""


class DivergenceError(UserError):
    """A training with a non-finite loss."""


class FolderRemovedError(UserError):
    """The output folder of a run no longer exists.

    Parameters
    ----------
    folder
        The folder.
    """

    def __str__(self) -> str:
        problem = "was removed during the run"
        return f"{self.args[0]}: {problem}; delete what is left of it and run again"


class RecipeError(UserError):
    """All problems of a recipe.

    Parameters
    ----------
    problems
        Messages, one line each, in file order.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
