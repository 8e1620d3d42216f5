"""Figures as SVG inside the page. Text and axes have the page's own colour, in the light and in the dark."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib import rc_context
from matplotlib.figure import Figure

INK = "#010203"
"""The colour that becomes the page's text colour."""
SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "styleroute",
    "text.parse_math": False,  # a style's name may hold dollar signs
    "font.size": 11,
    "legend.framealpha": 0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}


@contextmanager
def page_style() -> Iterator[None]:
    """Figures that are made inside get the page's colours."""
    with rc_context(SETTINGS):
        yield


def inline_svg(figure: Figure, name: str, label: str) -> str:
    """A figure as an element of the page.

    Args:
        figure: a figure that was made in `page_style`.
        name: a word that no other figure of the page has; it starts all identifiers in the figure.
        label: what the figure shows, for readers who do not see it; already escaped.
    """
    buffer = io.StringIO()
    with page_style(), warnings.catch_warnings():
        # The browser has the letters that matplotlib's font misses.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r' xmlns(:\w+)?="[^"]*"', "", drawing).replace("xlink:href", "href")
    drawing = re.sub(r'\b(id=")', rf"\g<1>{name}-", drawing)
    drawing = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", drawing)
    drawing = drawing.replace(INK, "currentColor")
    size = f"max-width: {figure.get_figwidth():g}in"
    return drawing.replace("<svg", f'<svg role="img" aria-label="{label}" style="{size}"', 1)
