"""Run scanpy with default parameters: normalize_total, log1p, PCA, neighbors, Leiden.

python run_scanpy.py INPUT.h5ad OUT.npz SEED THREADS
"""

import sys

import anndata
import numpy as np
import scanpy

input_path, output_path, seed, threads = sys.argv[1:]
scanpy.settings.n_jobs = int(threads)
adata = anndata.read_h5ad(input_path)
scanpy.pp.normalize_total(adata)
scanpy.pp.log1p(adata)
scanpy.pp.pca(adata, random_state=int(seed))
scanpy.pp.neighbors(adata, random_state=int(seed))
leiden_kwargs = {"flavor": "igraph", "n_iterations": 2, "directed": False}
scanpy.tl.leiden(adata, random_state=int(seed), **leiden_kwargs)
np.savez(output_path, labels=adata.obs["leiden"].astype(int))
