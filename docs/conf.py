"""Settings of Sphinx. The build needs no network and must not give a warning: see noxfile.py."""

import sys
from pathlib import Path

import softtargets

sys.path.insert(0, str(Path(__file__).parent))

import backends_table

backends_table.write()

project = "softtargets"
author = "The softtargets developers"
copyright = f"2026, {author}"
version = release = softtargets.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "_generated"]
nitpicky = True
# Exceptions of Python, and names that only describe a type: there is no page to link to.
nitpick_ignore_regex = [
    ("py:exc", r"(Type|Value|Runtime|NotImplemented)Error"),
    ("py:class", r"(array|bool|dict|float|function|int|str|tuple)"),
]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Docstrings say the types in words; annotations would repeat them.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# Not installed where the documentation is built.
autodoc_mock_imports = ["jax", "keras", "torch", "transformers"]
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = ["Gradient", "Choosing"]

html_theme = "furo"
html_title = f"softtargets {release}"
html_show_sphinx = False
