"""HTML reports of runs and studies, each a self-contained file."""
