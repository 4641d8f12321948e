"""Recipes: YAML in, a checked tree of components out, and back."""

from scgnn.recipe.data import Data
from scgnn.recipe.diff import diff
from scgnn.recipe.load import bundled, load_recipe
from scgnn.recipe.recipe import Recipe, to_yaml

__all__ = ["Data", "Recipe", "bundled", "diff", "load_recipe", "to_yaml"]
