"""Readers of count data, and the detection of file formats."""

from scgnn.components.readers.anndata_files import H5AD, H5MU, Zarr
from scgnn.components.readers.contract import Reader
from scgnn.components.readers.delimited import CSV
from scgnn.components.readers.demo import Demo
from scgnn.components.readers.in_memory import InMemory
from scgnn.components.readers.loom import Loom
from scgnn.components.readers.sniffing import detect_reader
from scgnn.components.readers.tenx import TenxH5, TenxMTX

__all__ = [
    "CSV",
    "H5AD",
    "H5MU",
    "Demo",
    "InMemory",
    "Loom",
    "Reader",
    "TenxH5",
    "TenxMTX",
    "Zarr",
    "detect_reader",
]
