"""How Sphinx builds the site from ``docs/``; ``make docs`` runs it, strictly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_core import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]

project = "Emoscope"
author = "The Emoscope developers"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}
nitpicky = True
nitpick_ignore_regex = [("py:class", ".*")]  # types in annotations, most of other projects

highlight_language = "none"
toc_object_entries_show_parents = "hide"
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "Emoscope"
html_logo = "../streamlit_app/assets/logo.svg"
html_favicon = "../streamlit_app/assets/icon.png"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["emoscope.css"]
html_theme_options = {
    "sidebar_hide_name": True,
    "light_css_variables": {
        "color-brand-primary": "#0F6E66",
        "color-brand-content": "#0F6E66",
        "color-brand-visited": "#0F6E66",
        "color-api-name": "#0F6E66",
        "color-api-pre-name": "#51544E",
        "color-background-primary": "#FDFCFA",
        "color-background-secondary": "#F1F3F0",
    },
    "dark_css_variables": {
        "color-brand-primary": "#6FD3C8",
        "color-brand-content": "#6FD3C8",
        "color-brand-visited": "#6FD3C8",
        "color-api-name": "#6FD3C8",
        "color-api-pre-name": "#9AA5A1",
        "color-background-primary": "#14171C",
        "color-background-secondary": "#1E242A",
    },
}


def lead_to_cards(_app: Sphinx, _name: str, source: list[str]) -> None:
    """Leads links to a network's card in ``weights/`` to its page of the site."""
    source[0] = re.sub(r"\]\(\.\./weights/([\w-]+\.md)", r"](cards/\1", source[0])


def setup(app: Sphinx) -> None:
    """Registers what changes sources on their way."""
    app.connect("source-read", lead_to_cards)
