"""Attribution of errors in stages to the third-party components that caused them."""

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
    """Name the third-party components among the arguments of a stage that fails.

    Raises
    ------
    UserError
        In place of the error, with the last line of third-party code in its traceback.
    """
    try:
        yield
    except Exception as error:  # third-party code raises anything
        classes = list(
            dict.fromkeys(type(c) for c in iter_components(args) if not is_builtin(type(c)))
        )
        if not classes or (isinstance(error, UserError) and not isinstance(error, DivergenceError)):
            raise
        files = set(map(_source_file, classes))
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in files]
        where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        names = " and ".join(f"{cls.kind}.{cls.name} of {describe_source(cls)}" for cls in classes)
        cause = str(error) if isinstance(error, DivergenceError) else format_exception(error)
        first = classes[0]
        is_file = first.__module__.startswith(MODULE_PREFIX)
        target = _source_file(first) if is_file else f"{first.kind}.{first.name}"
        raise UserError(
            f"{stage}: {cause}{where}, in {names}; run 'scgnn-recipe test {target}' to debug it"
        ) from error


def _source_file(cls: type) -> str:
    return str(getattr(sys.modules.get(cls.__module__), "__file__", ""))
