"""Statistics of paired differences: pandas and scipy only."""
