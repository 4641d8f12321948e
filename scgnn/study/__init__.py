"""Studies: one recipe, many changes, and the effect of each."""
