"""Orientation of a table, cells x genes or genes x cells, from its row and column names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

Orientation = Literal["cells_by_genes", "genes_by_cells"]

MAX_SAMPLED_NAMES = 5000  # per axis, evenly spaced
MIN_EVIDENCE_RATIO = 5.0  # of the likelier orientation to the other
STRONG_EVIDENCE = 0.5  # at which names overrule a declared orientation

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
    | .*cell.* | .*barcode.* | bc[ _.-]?\d+([_.-][\dACGTN]+)?
    | (GSM|SRR|ERR|DRR|SRX|SAMN)\d+.* | .*_S\d+(_L\d+)?            # archives, sample sheets
    | .*[_.][A-P](0?[1-9]|1\d|2[0-4])                              # wells of a plate
    """,
    re.VERBOSE | re.IGNORECASE,
)
_GENE_HEADER = re.compile(
    r"genes?|gene_?ids?|gene_name|gene_symbol|symbols?|features?|ensembl(_id)?|target_id",
    re.IGNORECASE,
)
_EXCEL_PATTERN = re.compile(
    r"\d{1,2}-(mar|sep|dec|oct|apr|nov|feb)[a-z]*|(mar|sep|dec|oct|apr|nov|feb)-\d{1,2}"
    r"|\d{1,2}/\d{1,2}/(\d\d)?\d\d|(19|20)\d\d-\d\d-\d\d( 00:00:00)?|\d\.\d+e\+\d\d",
    re.IGNORECASE,
)  # Zeeberg et al., BMC Bioinformatics 2004
_CELL_HEADER = re.compile(r"cells?|cell_?id|cell_name|barcodes?", re.IGNORECASE)


class OrientationGuess(NamedTuple):
    """Orientation that the names suggest, if any.

    Attributes
    ----------
    orientation
        The orientation, or None where the names suggest neither or both.
    evidence
        Fraction of the row names plus fraction of the column names that match it, plus 0.5 if the
        corner does.
    reason
        Reason, with examples.
    """

    orientation: Orientation | None
    evidence: float
    reason: str

    def contradicts(self, declared: Orientation) -> bool:
        """Return whether there is strong evidence against a declared orientation."""
        return self.orientation not in (None, declared) and self.evidence >= STRONG_EVIDENCE


class _AxisEvidence(NamedTuple):
    """Fractions of the names on one axis that look like genes and like cells, and an example."""

    genes: float
    cells: float
    example: str


def guess_orientation(
    rows: Sequence[str], columns: Sequence[str], corner: str = ""
) -> OrientationGuess:
    """Guess from its names whether a table is cells x genes or genes x cells.

    Parameters
    ----------
    rows, columns
        Names of the rows and columns.
    corner
        Name of the column of row names, e.g. ``gene_id``.
    """
    row, column = _collect_evidence(rows), _collect_evidence(columns)
    header = corner.strip().strip('"#')
    is_cell, is_gene = (bool(p.fullmatch(header)) for p in (_CELL_HEADER, _GENE_HEADER))
    evidence: dict[Orientation, float] = {
        "cells_by_genes": row.cells + column.genes + STRONG_EVIDENCE * is_cell,
        "genes_by_cells": row.genes + column.cells + STRONG_EVIDENCE * is_gene,
    }
    shown = [f"rows such as '{row.example}'"] * bool(row.example)
    shown += [f"columns such as '{column.example}'"] * bool(column.example)
    examples = f" ({', '.join(shown)})" if shown else ""
    best, other = sorted(evidence, key=lambda orientation: -evidence[orientation])
    if evidence[best] > MIN_EVIDENCE_RATIO * evidence[other]:
        reason = "rows look like {} and columns like {}".format(*best.split("_by_"))
        return OrientationGuess(best, evidence[best], f"{reason}{examples}")
    return OrientationGuess(None, 0.0, f"names do not distinguish genes from cells{examples}")


def is_cell_name(name: str) -> bool:
    """Return whether a name looks like that of a cell, e.g. a barcode."""
    return _CELL_PATTERN.fullmatch(name) is not None


def looks_like_name(name: str) -> bool:
    """Return whether a name looks like that of a gene or cell."""
    return is_cell_name(name) or _GENE_PATTERN.fullmatch(name) is not None


def looks_like_excel(name: str) -> bool:
    """Return whether a spreadsheet may have made a date or number of a gene name."""
    return _EXCEL_PATTERN.fullmatch(name) is not None


def _collect_evidence(names: Sequence[str]) -> _AxisEvidence:
    """Return the evidence of one axis; a single match among many names is taken as chance."""
    sample = [str(name) for name in names[:: max(1, len(names) // MAX_SAMPLED_NAMES)]]
    genes = [name for name in sample if _GENE_PATTERN.fullmatch(name)]
    rest = (name for name in sample if not _GENE_PATTERN.fullmatch(name))
    cells = [name for name in rest if _CELL_PATTERN.fullmatch(name)]
    fractions = []
    for matches in (genes, cells):
        fraction = len(matches) / max(len(sample), 1)
        fractions.append(fraction if len(matches) > 1 or fraction >= STRONG_EVIDENCE else 0.0)
    matches = genes if fractions[0] > fractions[1] else cells
    return _AxisEvidence(fractions[0], fractions[1], (matches or sample or [""])[0])
