"""Readers: where the counts come from. The contract first, then the simplest reader first."""

from scgnn.components.readers.anndata_files import H5AD, Zarr
from scgnn.components.readers.contract import Reader
from scgnn.components.readers.delimited import CSV
from scgnn.components.readers.demo import Demo
from scgnn.components.readers.in_memory import Given
from scgnn.components.readers.loom import Loom
from scgnn.components.readers.sniffing import sniff
from scgnn.components.readers.tenx import TenxH5, TenxMTX
from scgnn.data.orientation import Verdict, orientation

__all__ = [
    "CSV",
    "H5AD",
    "Demo",
    "Given",
    "Loom",
    "Reader",
    "TenxH5",
    "TenxMTX",
    "Verdict",
    "Zarr",
    "orientation",
    "sniff",
]
