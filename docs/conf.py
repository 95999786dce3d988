"""Sphinx settings. Build: sphinx-build -W -b html docs docs/_build/html."""

import perfuse

project = "perfuse"
author = "the perfuse authors"
copyright = "2026, the perfuse authors"  # noqa: A001
version = release = perfuse.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "none"
napoleon_google_docstring = False

html_theme = "furo"
html_title = f"perfuse {version}"
html_theme_options = {"navigation_with_keys": True}
