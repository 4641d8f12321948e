"""LTMG, the left-truncated mixture of Gaussians: activity states of genes from their expression."""

from scgnn.components.ltmg.model import LTMG, LTMGFit

__all__ = ["LTMG", "LTMGFit"]
