"""Rows and columns of numbers in a text table that are not counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from scgnn.data.orientation import is_cell_name

MAX_EDGE = 20  # rows or columns at each end whose values are looked at
MIN_SIMILAR_NAMES = 0.95  # fraction of the other names
MIN_NAMES = 10  # for comparisons with the other rows or columns
MAX_DENSITY = 0.7  # of values in a cell that is not 0 for all genes
MIN_GENES = 50  # of which a cell has no counts of some

_OF_CELLS = r"""
    n_?counts?(_\w+)? | n_?genes?(_by_counts)? | n_?umis? | n_?reads? | n_?features?(_\w+)?
    | (log1p_)?(total_counts|n_genes_by_counts)(_\w+)? | total(_(umis?|reads?|genes?))?
    | lib(rary)?_?size | size_?factors? | (pct|percent|perc|frac|fraction)_\w+
    | (mito|mt|ribo)_?(frac|fraction|percent|pct|ratio|content) | \w+_(score|percent|pct|fraction)
    | (seurat_|graph_|assigned_|true_)?(clusters?|labels?|groups?|class(es)?)
    | (cluster|group|label|class)_?(id|label|number|name)
    | (louvain|leiden|kmeans|phenograph|rna_snn|wsnn)(_\w+)?
    | cell_?(types?|labels?|class|lines?|cycle|states?|ontology)\d*(_\w+)? | level_?\d_?class
    | batch(es)?(_?id)? | samples?(_?(id|name))? | (donor|patient|subject|mouse|plate)s?(_?id)?
    | individuals? | library(_?id)? | experiments? | conditions? | treatments? | time_?points?
    | days? | age | sex | gender | stages? | tissues? | organs? | species | strains? | genotypes?
    | protocols? | technology | platform | doublets?(_\w+)? | is_\w+ | (x|y)_coord\w*
    | array_(row|col) | pxl_\w+ | in_tissue | orig_ident | annotations? | barcodes? | well_?id
"""
_OF_GENES = r"""
    (gene_?|transcript_?|exon\w*_?|merged_|eff(ective)?_?)?lengths? | (gene|exonic_gene)_sizes?
    | chr | chrom(osome)?s?(_name)? | seqnames? | start(_position)? | end(_position)? | strand
    | entrez[a-z_]* | ensembl[a-z_]* | gene_?ids? | (gene_?)?symbols? | gene_?(short_?)?names?
    | description | (gene_?)?bio_?types? | gene_?types? | (percentage_)?gc_?(content|percent)
    | feature_?types? | source | location | locus | mean | variance | dispersions?(_norm)?
    | highly_?variable | n_cells(_by_counts)? | pct_dropout\w* | modules? | width
    | uniprot[a-z_]* | refseq[a-z_]* | hgnc[a-z_]* | mgi_[a-z_]+ | ucsc | accession
    | transcript_?ids? | probe(set)?_?ids? | tpm | fpkm
"""
_SUMMARIES = r"""
    __\w+ | n_(unmapped|multimapping|nofeature|ambiguous) | (un)?assigned(_\w+)?
    | no_feature | ambiguous | too_low_aqual | not_aligned | alignment_not_unique
"""
_ANNOTATION = re.compile(f"{_OF_CELLS}|{_OF_GENES}|{_SUMMARIES}", re.VERBOSE)


class Suspect(NamedTuple):
    """A row or column that may not hold counts.

    Attributes
    ----------
    position
        Its position.
    reason
        Why, after "because".
    is_certain
        Whether it is set aside; else it must be declared.
    """

    position: int
    reason: str
    is_certain: bool = True


def is_annotation_name(name: str) -> bool:
    """Return whether a row or column has a name of annotation, e.g. Length or n_counts."""
    return _ANNOTATION.fullmatch(re.sub(r"[^\w]+", "_", name.strip().lower())) is not None


def find_not_whole(values: csr_matrix) -> tuple[set[int], set[int]]:
    """Return rows and columns at the edges that hold all values which are no counts, and few else.

    Parameters
    ----------
    values
        Values, rows x columns.

    Returns
    -------
    tuple
        Positions of rows and of columns; both empty if other values are no counts either, as in
        normalized data.
    """
    is_other = (values.data != np.floor(values.data)) | (values.data < 0)
    is_other &= np.isfinite(values.data)  # missing values are reported by validation
    if not is_other.any():
        return set(), set()
    rows = np.repeat(np.arange(values.shape[0]), np.diff(values.indptr))[is_other]
    columns = values.indices[is_other]
    edge_rows = _find_edges(rows, np.diff(values.indptr))
    edge_columns = _find_edges(columns, np.bincount(values.indices, minlength=values.shape[1]))
    for use_rows, use_columns in ((False, True), (True, False), (True, True)):
        remaining = np.ones(len(rows), dtype=bool)
        if use_rows:
            remaining &= ~np.isin(rows, list(edge_rows))
        if use_columns:
            remaining &= ~np.isin(columns, list(edge_columns))
        if not remaining.any():
            return edge_rows if use_rows else set(), edge_columns if use_columns else set()
    return set(), set()


def _get_edges(n: int) -> tuple[range, range]:
    """Return the first positions of an axis and the last ones, each from its end."""
    return range(min(n, MAX_EDGE)), range(n - 1, max(n - 1 - MAX_EDGE, MAX_EDGE - 1), -1)


def _find_edges(positions: np.ndarray, n_values: np.ndarray) -> set[int]:
    """Return the unbroken runs from both ends of an axis of which most values are no counts.

    Parameters
    ----------
    positions
        Position of each such value.
    n_values
        Number of all values at each position of the axis.

    Returns
    -------
    set
        Positions; none if they are more than a fifth of the axis.
    """
    n = len(n_values)
    is_other = np.bincount(positions, minlength=n) > n_values / 2
    runs = set()
    for edge in _get_edges(n):
        for i in edge:
            if not is_other[i]:
                break
            runs.add(i)
    return runs if len(runs) <= n // 5 else set()


def iter_suspects(names: Sequence[str], values: csr_matrix, are_cells: bool) -> Iterator[Suspect]:
    """Yield the columns at the edges of a table that may not be counts.

    Parameters
    ----------
    names
        Names of the columns.
    values
        Values, rows x columns.
    are_cells
        Whether the columns are cells.
    """
    n = values.shape[1]
    if n < 3 or not np.isfinite(values.data).all():  # which is reported by validation
        return
    edges = [i for edge in _get_edges(n) for i in edge]
    columns = values[:, edges].toarray().T
    sums = np.asarray(values.sum(axis=1)).ravel()
    has_several = len(np.unique(values.indices)) > 2  # else two equal columns are each other's sum
    positive = np.diff(values.indptr)
    density = np.bincount(values.indices, minlength=n) / values.shape[0]
    has_digit = np.array([any(c.isdigit() for c in name) or is_cell_name(name) for name in names])
    for i, column in zip(edges, columns, strict=True):
        if not column.any():
            continue
        if has_several and np.allclose(column, sums - column, rtol=1e-6, atol=0):
            yield Suspect(i, "they are the sums of the others")
        elif len(column) > MIN_NAMES and np.array_equal(column, positive - (column != 0)):
            yield Suspect(i, "they are the numbers of nonzero values of the others")
        elif are_cells and n > MIN_NAMES:
            if not has_digit[i] and has_digit.sum() >= MIN_SIMILAR_NAMES * (n - 1):
                yield Suspect(i, "their names are unlike those of the cells")
            elif (
                density[i] == 1
                and values.shape[0] >= MIN_GENES
                and np.median(np.delete(density, i)) < MAX_DENSITY
            ):
                yield Suspect(i, "it is never 0, unlike the others", is_certain=False)
