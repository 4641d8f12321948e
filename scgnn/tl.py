"""Tools: analysis functions on AnnData, for use as ``scgnn.tl``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from scgnn.arguments import check_anndata, check_type
from scgnn.components.ltmg import LTMG
from scgnn.data.anndata_views import copy_slot, load_matrix
from scgnn.errors import UserError
from scgnn.field_types import Seed
from scgnn.recipe.build import Problems, build
from scgnn.recipe.plain_tree import from_plain
from scgnn.recipe.yaml_tree import SourceLocation
from scgnn.registry.component import format_unknown_name
from scgnn.registry.introspection import recipe_fields

if TYPE_CHECKING:
    from anndata import AnnData


def ltmg(
    adata: AnnData,
    layer: str | None = None,
    key_added: str = "ltmg",
    *,
    seed: int = 0,
    **params: Any,
) -> None:
    """Assign activity states with a left-truncated mixture of Gaussians.

    Fits a mixture to the log expression of every gene, censored where the gene is not expressed,
    and assigns each value to a component: 0 "not expressed", then 1, 2, … by rising mean
    (Wan et al., Nucleic Acids Research 2019).

    Parameters
    ----------
    adata
        Annotated data matrix, cells x genes, with counts or log(count + 1).
    layer
        Key of ``adata.layers`` to use. None: ``adata.X``.
    key_added
        Key of the results in ``adata.layers`` and ``adata.uns``, and prefix of their keys in
        ``adata.var`` and ``adata.varm``.
    seed
        Seed of the random jitter, if there is any.
    **params
        Parameters of :class:`scgnn.LTMG`, for example ``input="log"`` for log(count + 1).

    Returns
    -------
    ``None``. Sets the following fields of ``adata``:

    ``layers[key_added]`` : :class:`scipy.sparse.csr_matrix` (dtype ``uint8``)
        Activity state of each value; cells x genes.
    ``var[key_added + "_n_active"]`` : :class:`pandas.Series` (dtype ``int``)
        Number of active states.
    ``var[key_added + "_cutoff"]`` : :class:`pandas.Series` (dtype ``float``)
        Natural log of the expression below which values are censored.
    ``var[key_added + "_converged"]`` : :class:`pandas.Series` (dtype ``bool``)
        Whether the fit converged.
    ``var[key_added + "_status"]`` : :class:`pandas.Series` (dtype ``category``)
        "all zero", "too few values", "no active state", "one active state" or "several active
        states".
    ``varm[key_added + "_weight"]``, ``"_mean"``, ``"_sd"`` : :class:`numpy.ndarray`
        Components by rising mean, in natural log units, NaN-padded; genes x components.
    ``varm[key_added + "_bic"]`` : :class:`numpy.ndarray`
        Bayesian information criterion by number of components; genes x components.
    ``uns[key_added]`` : :class:`dict`
        "params", the parameters, and "status_counts", the number of genes by status.

    Raises
    ------
    UserError
        If an argument or a parameter is invalid, or there is no such layer.
    ValueError
        If a value is negative, infinite or NaN.

    Examples
    --------
    >>> scgnn.ltmg(adata, layer="counts")
    >>> scgnn.plot_ltmg(adata, gene="CD3E")
    """
    import pandas as pd

    check_anndata(adata)
    check_type("key_added", key_added, str, "text")
    if layer is not None and layer not in adata.layers:
        raise UserError(format_unknown_name("layer", layer, list(copy_slot(adata, "layers"))))
    known = ["layer", "key_added", "seed", *recipe_fields(LTMG)]
    for name in params:
        if name not in known:
            raise UserError(format_unknown_name("argument", name, known, " of ltmg()"))
    problems = Problems()
    settings = from_plain({"seed": seed} | params, SourceLocation("ltmg"))
    model = build(settings.without("seed"), LTMG, problems)
    build(settings.value["seed"], Seed, problems, "seed")
    problems.raise_if_any()
    in_memory = adata.to_memory() if adata.isbacked else adata
    counts = load_matrix(in_memory.X if layer is None else in_memory.layers[layer])
    if counts is None:
        raise UserError("ltmg(): the given AnnData has no X: name a layer of counts with 'layer'")
    fit = model.fit(counts, seed)
    adata.layers[key_added] = fit.states
    adata.var[f"{key_added}_n_active"] = fit.n_active_states
    adata.var[f"{key_added}_cutoff"] = fit.cutoff
    adata.var[f"{key_added}_converged"] = fit.converged
    adata.var[f"{key_added}_status"] = pd.Categorical(fit.status)
    for name in ("weight", "mean", "sd", "bic"):
        adata.varm[f"{key_added}_{name}"] = getattr(fit, name)
    used = {**asdict(model), "layer": layer, "seed": seed}
    used = {name: value for name, value in used.items() if value is not None}
    adata.uns[key_added] = {"params": used, "status_counts": fit.status_counts}
