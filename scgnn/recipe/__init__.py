"""Recipes: YAML files, validated as a tree of components."""

from scgnn.recipe.data import Data
from scgnn.recipe.diff import diff_recipes
from scgnn.recipe.load import list_bundled_recipes, load_recipe
from scgnn.recipe.recipe import Recipe, to_yaml

__all__ = ["Data", "Recipe", "diff_recipes", "list_bundled_recipes", "load_recipe", "to_yaml"]
