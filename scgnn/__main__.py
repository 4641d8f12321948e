"""``python -m scgnn``: the command ``scgnn-recipe``."""

from scgnn.cli import start

start()
