"""Recipes: YAML in, a checked tree of components out, and back."""

from scgnn.recipe.data import Data
from scgnn.recipe.diff import diff
from scgnn.recipe.load import list_bundled_recipes, load_recipe
from scgnn.recipe.recipe import Recipe, to_yaml

__all__ = ["Data", "Recipe", "diff", "list_bundled_recipes", "load_recipe", "to_yaml"]
