"""Plotting functions on AnnData, for use as ``scgnn.pl``."""

from scgnn.plotting.ltmg import plot_ltmg as ltmg

__all__ = ["ltmg"]
