"""Sphinx reads this: `make docs`."""

import sys
from pathlib import Path

DOCS_DIR = Path(__file__).parent
sys.path.insert(0, str(DOCS_DIR))

project = "scgnn"
extensions = ["myst_parser"]
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True
smartquotes = False  # two hyphens are the beginning of a flag

html_theme = "furo"
html_title = "scgnn"
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_copy_source = False
html_show_copyright = False


def setup(app):
    """Write the pages of components and recipes before any page is read."""
    from components import write_pages

    app.connect("builder-inited", lambda _: write_pages(DOCS_DIR / "components"))
