"""LTMG of an AnnData, the way scanpy's tools write their results."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from scgnn.components.ltmg.model import LTMG

if TYPE_CHECKING:
    from anndata import AnnData


def ltmg(
    adata: AnnData,
    layer: str | None = None,
    key_added: str = "ltmg",
    *,
    seed: int = 0,
    **settings: Any,
) -> None:
    """Find the activity state of every gene in every cell (left-truncated mixture of Gaussians).

    Writes into ``adata``.

    Parameters
    ----------
    adata
        Expression, cells x genes.
    layer
        Layer that holds it; None: ``X``.
    key_added
        Under which name results are written.
    seed
        Of random jitter, where ``settings`` ask for any.
    **settings
        Fields of :class:`LTMG`, for example ``input="log"`` for log(count + 1).

    Returns
    -------
    None
        ``layers[key_added]``: states 0 (not expressed), 1, 2, …; sparse.
        ``var[key_added + "_active"]``, ``…_cutoff``, ``…_converged``, ``…_status``: each gene's
        active states, its cut-off in log units, whether its fit converged, and what became of it.
        ``varm[key_added + "_weight"]``, ``…_mean``, ``…_sd``: its components; ``…_bic``: BIC by
        number of components.
        ``uns[key_added]``: settings, and how many genes have each status.
    """
    import pandas as pd

    model = LTMG(**settings)
    fit = model.fit(adata.X if layer is None else adata.layers[layer], seed)
    adata.layers[key_added] = fit.states
    columns = {"active": fit.n_active_states, "cutoff": fit.cutoff, "converged": fit.converged}
    for name, values in columns.items():
        adata.var[f"{key_added}_{name}"] = values
    adata.var[f"{key_added}_status"] = pd.Categorical(fit.status)
    for name in ("weight", "mean", "sd", "bic"):
        adata.varm[f"{key_added}_{name}"] = getattr(fit, name)
    given = {**asdict(model), "layer": layer, "seed": seed}
    adata.uns[key_added] = {
        "settings": {name: value for name, value in given.items() if value is not None},
        "genes": fit.status_counts,
    }
