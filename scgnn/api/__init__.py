"""Entry points of the Python API: compute, write, report."""
