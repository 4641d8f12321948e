"""Reader of data passed in Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scgnn.components.readers.contract import Reader
from scgnn.errors import InputError
from scgnn.interface import by_interface

if TYPE_CHECKING:
    from anndata import AnnData


@Reader.register("in_memory")
@dataclass(frozen=True)
class InMemory(Reader):
    """AnnData passed in Python; a placeholder in saved recipes."""

    def __call__(self) -> AnnData:
        problem = "data.reader: the data were passed in Python and are not part of the recipe"
        again = "pass them again (scgnn.run(recipe, adata))"
        raise InputError(f"{problem}; {by_interface(f'{again} or use --data FILE', again)}")
