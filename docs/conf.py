"""Settings of the documentation's builder (`make docs`)."""

from __future__ import annotations

import bascule

project = "Bascule"
author = "the Bascule authors"
version = release = bascule.__version__
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"Bascule {release}"
html_copy_source = False
# MyST's names for languages that Pygments calls otherwise.
highlight_language = "text"
suppress_warnings = ["misc.highlighting_failure"]  # `...` in transcripts is no syntax of any language
