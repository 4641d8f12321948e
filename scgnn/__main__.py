"""``python -m scgnn`` is ``scgnn-recipe``."""

from scgnn.cli import main

main()
