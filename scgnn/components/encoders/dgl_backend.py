"""The import of DGL."""

from __future__ import annotations

import os
import sys
import types
from typing import Any

from scgnn.errors import UserError
from scgnn.execution.hardware import get_dgl_version, has_dgl

# before any module imports DGL, which else prints a message and writes a file into the home folder
os.environ["DGLBACKEND"] = "pytorch"
if has_dgl() and get_dgl_version() >= (2,):
    # it loads a library that is built for one version of torch; scgnn needs none of it
    sys.modules.setdefault("dgl.graphbolt", types.ModuleType("dgl.graphbolt"))


def load_dgl() -> Any:
    """Import DGL.

    Raises
    ------
    UserError
        It cannot be imported.
    """
    try:
        import dgl
    except Exception as error:  # a broken binary raises anything from ImportError to OSError
        raise UserError(
            f"dgl cannot be imported ({error}); use backend torch, or install dgl==1.1.3 and "
            "packaging and run 'scgnn-recipe doctor'"
        ) from error
    return dgl
