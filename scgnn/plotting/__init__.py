"""Figures, as functions."""
