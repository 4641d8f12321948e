"""The reader of a run whose data came from Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scgnn.components.readers.contract import Reader
from scgnn.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


@Reader.register("in_memory")
@dataclass(frozen=True)
class InMemory(Reader):
    """An AnnData handed over in Python; what is saved of such a run says so."""

    def __call__(self) -> AnnData:
        raise InputError(
            "data.reader: the data were handed over in Python and are not in the recipe; "
            "hand them over again (scgnn.run(recipe, adata)) or give --data FILE"
        )
