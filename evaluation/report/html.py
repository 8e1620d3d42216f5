"""Parts of a page as text: everything from a file is escaped. The page is well-formed XML, which any parser reads."""

import html
import re
from collections.abc import Iterable, Sequence


class Markup(str):
    """Text that is HTML already. Any other text is escaped."""


def render(value: object) -> str:
    """A value as HTML; only `Markup` stays as it is."""
    return str(value) if isinstance(value, Markup) else html.escape(str(value), quote=True)


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """An element. A trailing underscore of an attribute's name is dropped, as in `class_`."""
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value), quote=True)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{named}>{''.join(map(render, children))}</{tag}>")


def image(address: str, text: str) -> Markup:
    """An image whose data stands in its address."""
    return Markup(f'<img src="{render(address)}" alt="{render(text)}" loading="lazy" />')


def join(parts: Iterable[object]) -> Markup:
    """Parts one after the other."""
    return Markup("".join(map(render, parts)))


def table(headings: Sequence[object], rows: Iterable[tuple[str, Sequence[object]]], label: str) -> Markup:
    """A table that scrolls in its own box.

    Args:
        headings: the heading of each column.
        rows: the class of each row (may be empty), and its cells.
        label: what the table shows, for readers who do not see it.
    """
    head = element("tr", *(element("th", heading, scope="col") for heading in headings))
    body = [_row(class_, cells) for class_, cells in rows]
    content = element("table", element("thead", head), element("tbody", *body))
    return element("div", content, class_="scroll", tabindex=0, role="region", aria_label=label)


def section(title: str, *parts: object, level: int = 2) -> Markup:
    """A section with a heading, which links can name by `anchor`."""
    return element("section", element(f"h{level}", title), *parts, id=anchor(title) if level == 2 else None)


def anchor(title: str) -> str:
    """The name of a section in links."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


def details(title: str, *parts: object, is_open: bool = False) -> Markup:
    """Parts that a reader opens, or closes."""
    return element("details", element("summary", title), *parts, open="open" if is_open else None)


def _row(class_: str, cells: Sequence[object]) -> Markup:
    first, *others = cells
    parts = [element("th", first, scope="row"), *(element("td", cell) for cell in others)]
    return element("tr", *parts, class_=class_ or None)
