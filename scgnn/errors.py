"""What a person did that cannot work, in one sentence: what, where, and what to do."""

from __future__ import annotations


class UserError(Exception):
    """A mistake in a recipe, an input or a command. The command prints it and exits with 2."""


class InputError(UserError):
    """Data that cannot be used as they are."""


class DivergenceError(UserError):
    """A training whose numbers are no longer finite."""


class RecipeError(UserError):
    """Every mistake found in a recipe, one line each, in file order."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
