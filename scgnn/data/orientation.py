"""Which side of a table holds the genes: read from the names, never from the shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

Orientation = Literal["cells_by_genes", "genes_by_cells"]

MAX_SAMPLED_NAMES = 5000  # names looked at on each side, evenly spread
MIN_EVIDENCE_RATIO = 5.0  # the winning reading needs this many times the evidence of the other
STRONG_EVIDENCE = 0.5  # from here on the names may contradict a person

_GENE_PATTERN = re.compile(
    r"""
    ENS[A-Z]{0,6}[GT]\d{6,}(\.\d+)?                                # Ensembl
    | FBgn\d{7} | WBGene\d{8} | AT[1-5MC]G\d{5} | Y[A-P][LR]\d{3}[WC](-[A-Z])?
    | ERCC[-_]?\d{3,5} | gene[ _.-]?\d+
    | MT-[A-Z]\w* | RP[LS]P?\d+[A-Z]?\w* | H2-\w+ | HLA-\w+ | HIST\d\w+ | HOX[A-D]\d+
    | LOC\d+ | LINC\d+ | MIR\d+\w* | SNOR[AD]\d+\w* | GM\d+ | \w+Rik | A[CLP]\d{6}\.\d+
    | (RP|CTD|CTC|CTB)\d*-\d+\w*\.\d+ | \w+-AS\d | ZNF\d+ | ZFP\d+ | OLFR\d+ | OR\d+[A-Z]\d+
    | SLC\d+A\d+ | TMEM\d+[A-Z]? | FAM\d+[A-Z]\d* | CCDC\d+ | COL\d+A\d+ | KRT\d+ | PSM[ABCD]\d+
    | NDUF[ABSV]\d+ | COX\d+[A-Z]\w* | EIF\d\w* | CD\d+[A-Z]? | CXCL\d+ | CCL\d+ | IL\d+[A-Z]*
    | ACTB | ACTG1 | GAPDH | B2M | MALAT1 | NEAT1 | XIST | EEF1A1 | EEF2 | TMSB4X | TMSB10 | FTL1?
    | FTH1 | VIM | UBC | UBB | PPIA | TPT1 | NPM1 | HSP90A[AB]1 | HSPA\d+ | LYZ\d? | MS4A1 | NKG7
    | GNLY | PTPRC | EPCAM | PECAM1 | TUBA1[ABC] | S100A\d+ | MKI67 | TOP2A | JUN | FOS | KLF\d+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CELL_PATTERN = re.compile(
    r"""
    (.*[_:\#.-])?[ACGTN]{8,}([-_.:].*)?                            # barcodes, sample affixes
    | .*cell.* | .*barcode.* | bc[ _.-]?\d+([_.-]\d+)?
    | (GSM|SRR|ERR|DRR|SRX|SAMN)\d+.* | .*_S\d+(_L\d+)?            # archives, sample sheets
    | .*[_.][A-P](0?[1-9]|1\d|2[0-4])                              # wells of a plate
    """,
    re.VERBOSE | re.IGNORECASE,
)
_GENE_HEADERS = {
    "gene",
    "genes",
    "gene_id",
    "gene_ids",
    "geneid",
    "gene_name",
    "gene_symbol",
    "symbol",
    "symbols",
    "feature",
    "features",
    "ensembl",
    "ensembl_id",
}
_CELL_HEADERS = {"cell", "cells", "cell_id", "cellid", "cell_name", "barcode", "barcodes"}


class OrientationGuess(NamedTuple):
    """What the names say: an orientation or None, how much evidence, and why in words."""

    orientation: Orientation | None
    evidence: float
    reason: str

    def contradicts(self, declared: Orientation) -> bool:
        """Whether the names speak clearly against what a person declared."""
        return self.orientation not in (None, declared) and self.evidence >= STRONG_EVIDENCE


class _AxisEvidence(NamedTuple):
    """Shares of the names on one side that look like genes and like cells, and an example."""

    gene_fraction: float
    cell_fraction: float
    example: str


def guess_orientation(
    rows: Sequence[str], columns: Sequence[str], corner: str = ""
) -> OrientationGuess:
    """Tell from its names whether a table is cells x genes or genes x cells.

    Parameters
    ----------
    rows, columns
        The names on either side.
    corner
        What stands above the row names, e.g. ``gene_id``.

    Returns
    -------
    Verdict
        ``orientation`` is None where the names say nothing, or speak for both readings. Evidence
        for a reading is the share of names on its cell side that look like cells, plus the share
        on its gene side that look like genes, plus a half when the corner names the rows.
    """
    above, beside = _collect_evidence(columns), _collect_evidence(rows)
    word = corner.strip().strip('"#').lower()
    cells_by_genes = (
        beside.cell_fraction + above.gene_fraction + STRONG_EVIDENCE * (word in _CELL_HEADERS)
    )
    genes_by_cells = (
        beside.gene_fraction + above.cell_fraction + STRONG_EVIDENCE * (word in _GENE_HEADERS)
    )
    shown = f"rows such as '{beside.example}', columns such as '{above.example}'"
    if cells_by_genes > MIN_EVIDENCE_RATIO * genes_by_cells:
        return OrientationGuess(
            "cells_by_genes",
            cells_by_genes,
            f"rows look like cells and columns like genes ({shown})",
        )
    if genes_by_cells > MIN_EVIDENCE_RATIO * cells_by_genes:
        return OrientationGuess(
            "genes_by_cells",
            genes_by_cells,
            f"rows look like genes and columns like cells ({shown})",
        )
    return OrientationGuess(None, 0.0, f"its names do not tell genes from cells ({shown})")


def _collect_evidence(names: Sequence[str]) -> _AxisEvidence:
    """The evidence on one side; a single match among many names is taken for chance."""
    sample = [str(name) for name in names[:: max(1, len(names) // MAX_SAMPLED_NAMES)]]
    genes = [name for name in sample if _GENE_PATTERN.fullmatch(name)]
    cells = [
        name
        for name in sample
        if _CELL_PATTERN.fullmatch(name) and not _GENE_PATTERN.fullmatch(name)
    ]
    share = [len(found) / len(sample) if sample else 0.0 for found in (genes, cells)]
    counted = [
        s if len(found) > 1 or s >= STRONG_EVIDENCE else 0.0
        for s, found in zip(share, (genes, cells), strict=True)
    ]
    likely = genes if counted[0] > counted[1] else cells
    return _AxisEvidence(counted[0], counted[1], (likely or sample or [""])[0])
