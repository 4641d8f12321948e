"""Studies: one recipe, many changes, and which of them make a difference."""
