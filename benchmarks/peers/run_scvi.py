"""Run scVI with default parameters; scanpy's neighbors and Leiden on its latent space.

python run_scvi.py INPUT.h5ad OUT.npz SEED THREADS
"""

import sys

import anndata
import numpy as np
import scanpy
import scvi

input_path, output_path, seed, threads = sys.argv[1:]
scvi.settings.seed = int(seed)
scvi.settings.num_threads = int(threads)
adata = anndata.read_h5ad(input_path)
totals = np.asarray(adata.X.sum(axis=1)).ravel()
scvi.model.SCVI.setup_anndata(adata)
model = scvi.model.SCVI(adata)
model.train(accelerator="cpu", enable_progress_bar=False)
adata.obsm["X_scvi"] = model.get_latent_representation()
median = float(np.median(totals[totals > 0]))
rates = model.get_normalized_expression(library_size=median, return_numpy=True)
scanpy.pp.neighbors(adata, use_rep="X_scvi", random_state=int(seed))
leiden_kwargs = {"flavor": "igraph", "n_iterations": 2, "directed": False}
scanpy.tl.leiden(adata, random_state=int(seed), **leiden_kwargs)
np.savez(output_path, labels=adata.obs["leiden"].astype(int), imputed=np.log1p(rates))
