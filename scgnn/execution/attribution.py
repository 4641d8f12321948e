"""attribution"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scgnn.errors import DivergenceError, UserError
from scgnn.registry.entry_points import describe_source
from scgnn.registry.introspection import is_builtin, iter_components
from scgnn.registry.plugin_files import MODULE_PREFIX, format_exception


@contextmanager
def attribute_errors(stage: str, args: tuple[Any, ...]) -> Iterator[None]:
    """Name the components that are not scgnn's own when a stage that uses them breaks.

    Raises
    ------
    UserError
        Instead of the error, with the last line of theirs that it went through.
    """
    try:
        yield
    except Exception as error:  # a stranger's code raises anything
        others = list(
            {type(part): None for part in iter_components(args) if not is_builtin(type(part))}
        )
        if not others or (isinstance(error, UserError) and not isinstance(error, DivergenceError)):
            raise
        files = {_source_file(cls): None for cls in others}
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in files]
        where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        whose = " and ".join(f"{cls.kind}.{cls.name} of {describe_source(cls)}" for cls in others)
        said = str(error) if isinstance(error, DivergenceError) else format_exception(error)
        first = others[0]
        named = first.__module__.startswith(MODULE_PREFIX)
        word = _source_file(first) if named else f"{first.kind}.{first.name}"
        raise UserError(
            f"{stage}: {said}{where}, with {whose}; scgnn-recipe test {word} tries it alone"
        ) from error


def _source_file(cls: type) -> str:
    return str(getattr(sys.modules[cls.__module__], "__file__", ""))
