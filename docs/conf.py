"""Sphinx configuration; ``make docs`` builds the pages."""

import os
import sys
from pathlib import Path

from scgnn import field_types

DOCS_DIR = Path(__file__).parent
sys.path.insert(0, str(DOCS_DIR))

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the tutorial: stable numbers, no contention

project = "scgnn"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
smartquotes = False  # keep the two hyphens of command-line flags

nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!scgnn).*"),  # other packages: the build is offline
    ("py:class", r"scgnn\.registry\.component\.C"),  # a type variable
    ("py:class", r"scgnn\.(execution\..*|recipe\.yaml_tree\.Node|study\.spec\.Level)"),  # internal
]

myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 3

nb_execution_mode = "force"  # the tutorial runs each time the pages are built
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 600  # seconds per cell
nb_execution_show_tb = True
nb_output_stderr = "remove"

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name in vars(field_types) if name[0].isupper()}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_attr_annotations = False  # the signature has the types
napoleon_google_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "scgnn"
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_copy_source = False
html_show_copyright = False


def setup(app):
    """Generate the component and recipe pages before Sphinx reads the sources."""
    from components import write_pages

    app.connect("builder-inited", lambda _: write_pages(DOCS_DIR / "components"))
