"""Run MAGIC with default parameters on square roots of normalized counts, as in its tutorial.

python run_magic.py INPUT.h5ad OUT.npz SEED THREADS
"""

import sys

import anndata
import magic
import numpy as np
from scipy import sparse

input_path, output_path, seed, threads = sys.argv[1:]
x = anndata.read_h5ad(input_path).X
totals = np.asarray(x.sum(axis=1)).ravel()
median = np.median(totals[totals > 0])
factors = np.divide(median, totals, out=np.zeros_like(totals), where=totals > 0)
roots = (sparse.diags(factors) @ x).sqrt().toarray()
model = magic.MAGIC(random_state=int(seed), n_jobs=int(threads), verbose=0)
np.savez(output_path, imputed=np.log1p(np.square(model.fit_transform(roots))))
