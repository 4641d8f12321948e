"""Attribution of errors in stages to the third-party components that caused them."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scgnn.errors import DivergenceError, UserError
from scgnn.execution.hardware import is_out_of_gpu_memory
from scgnn.registry.entry_points import describe_source
from scgnn.registry.introspection import get_module_file, is_builtin, iter_components
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
        types = dict.fromkeys(type(component) for component in iter_components(args))
        classes = [cls for cls in types if not is_builtin(cls)]
        is_divergence = isinstance(error, DivergenceError)
        if not classes or is_out_of_gpu_memory(error):
            raise
        if isinstance(error, UserError) and not is_divergence:
            raise
        files = [get_module_file(cls.__module__) for cls in classes]
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in files]
        where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        names = " and ".join(f"{cls.kind}.{cls.name} of {describe_source(cls)}" for cls in classes)
        cause = str(error) if is_divergence else format_exception(error)
        first = classes[0]
        is_file = files[0] and first.__module__.startswith(MODULE_PREFIX)
        command = f"scgnn-recipe test {files[0] if is_file else f'{first.kind}.{first.name}'}"
        message = f"{stage}: {cause}{where}, in {names}; run '{command}' to debug it"
        raise UserError(message) from error
