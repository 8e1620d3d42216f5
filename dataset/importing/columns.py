"""Which column of a foreign dataset holds what: named by the user, or found by usual names."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ...errors import DataError
from .rows import ImageFile, Source, SourceRow, Value

Role = Literal["content", "reference", "stylised", "style", "content_name", "prompt"]
IMAGES: tuple[Role, ...] = ("content", "reference", "stylised")
USUAL: Mapping[Role, tuple[str, ...]] = {
    "content": ("content", "source", "original", "input"),
    "reference": ("reference", "style_reference", "ref", "style"),
    "stylised": ("stylised", "stylized", "styled", "target", "result", "output"),
    "style": ("style", "style_lora", "lora"),
    "content_name": ("content_name", "content_id"),
    "prompt": ("prompt", "content_prompt", "caption", "content_caption", "text", "txt"),
}
"""Usual names of each role's column, best first, without the words of `_PLAIN`."""
_PLAIN = {"image", "images", "img", "path", "file", "filename", "name", "url", "title", "label"}
"""Words that only say that a column holds an image, a path or a name."""
_PLACE = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Columns:
    """The columns of a dataset. None stands for the usual name, if the dataset has a column of this name.

    A value with braces is a template that other columns fill, such as "content/{content_id}.png".

    Attributes:
        content: column of the content image, or of its path.
        reference: column of the style image, or of its path.
        stylised: column of the stylised image, or of its path.
        style: column of the style's name; an image column stands for the image's path.
        content_name: column that tells contents apart; by default, equal content images are one content.
        prompt: column of the prompt, which describes the content; by default the prompt is empty.
        style_pattern: regular expression whose first group is the style's name in the style's column.
        content_pattern: regular expression whose first group is the content's name in its column.

    Raises:
        DataError: a pattern is no regular expression with a group.
    """

    content: str | None = None
    reference: str | None = None
    stylised: str | None = None
    style: str | None = None
    content_name: str | None = None
    prompt: str | None = None
    style_pattern: str | None = None
    content_pattern: str | None = None

    def __post_init__(self) -> None:
        for option, pattern in (("style", self.style_pattern), ("content", self.content_pattern)):
            try:
                if pattern is not None and not re.compile(pattern).groups:
                    raise re.error("it has no group in parentheses")
            except re.error as error:
                raise DataError(
                    f"The pattern {pattern!r} cannot be used ({error}), expected one group such as '/([^/]+)/': give "
                    f"another --{option}-pattern."
                ) from error


@dataclass(frozen=True)
class FoundColumns:
    """The columns of a dataset by role, all of them checked. Optional roles may be missing."""

    by_role: Mapping[Role, str]
    style_pattern: str | None = None
    content_pattern: str | None = None

    def image(self, role: Role, row: SourceRow, source: Source) -> ImageFile:
        """The image of a role.

        Raises:
            DataError: the row has no such value, or its path leads to no image.
        """
        value = self._value(role, row)
        return value if isinstance(value, ImageFile) else source.file(value)

    def text(self, role: Role, row: SourceRow) -> str | None:
        """The text of a role; None if the dataset has no column for it.

        Raises:
            DataError: the row has no such value, or the value does not match the role's pattern.
        """
        if role not in self.by_role:
            return None
        value = self._value(role, row)
        text = value.name if isinstance(value, ImageFile) else value
        pattern = {"style": self.style_pattern, "content_name": self.content_pattern}.get(role)
        if pattern is None:
            return text.strip()
        match = re.search(pattern, text)
        if match is None or not match[1]:
            raise DataError(f"a {role.replace('_', ' ')} that does not match the pattern")
        return match[1]

    def without_references(self) -> "FoundColumns":
        """The same columns without the style image."""
        kept = {role: column for role, column in self.by_role.items() if role != "reference"}
        return replace(self, by_role=kept)

    def _value(self, role: Role, row: SourceRow) -> Value:
        column = self.by_role[role]
        if "{" in column:
            return _PLACE.sub(lambda place: _text(row, place[1]), column)
        return _of(row, column)


def find_columns(
    wanted: Columns, rows: Iterable[SourceRow], layout: str, given_references: bool = True
) -> FoundColumns:
    """Finds the column of each role in the first rows of a dataset.

    Args:
        wanted: the user's choice.
        rows: the first rows.
        layout: what the dataset is, for the message.
        given_references: whether the dataset must have style images.

    Raises:
        DataError: a needed column is missing, or several fit.
    """
    kinds = {name: isinstance(value, ImageFile) for row in rows for name, value in row.values.items()}
    if not kinds:
        raise DataError(f"Found no row with a value in {layout}, expected content, style and stylised images: give the "
                        "folder of another dataset, or another --layout.")  # fmt: skip
    found: dict[Role, str] = {}
    for role in USUAL:
        if role == "reference" and not given_references:
            continue
        column = getattr(wanted, role) or _usual(role, kinds, found, layout)
        if column is not None:
            _require(role, column, kinds, layout)
            found[role] = column
    for role in (*IMAGES, "style"):
        if role not in found and not (role == "reference" and not given_references):
            raise _missing(role, kinds, layout)
    return FoundColumns(found, wanted.style_pattern, wanted.content_pattern)


def _usual(role: Role, kinds: Mapping[str, bool], taken: Mapping[Role, str], layout: str) -> str | None:
    """The column with a usual name of a role: an image before a text; names and prompts are texts."""
    free = [name for name in kinds if name not in taken.values()]
    for is_image in (True, False) if role in IMAGES else (False,):
        for usual in USUAL[role]:
            fitting = [name for name in free if kinds[name] == is_image and _plain(name, role) == usual]
            exact = [name for name in fitting if name.lower() == usual]
            if len(exact or fitting) == 1:
                return (exact or fitting)[0]
            if fitting:
                raise DataError(
                    f"The columns {', '.join(fitting)} of {layout} may all be the {_words(role)}, expected one: choose "
                    f"it with --{role.replace('_', '-')}."
                )
    return None


def _plain(name: str, role: Role) -> str:
    """A column's name in words that mean something: "json.Style-Name" -> "style"."""
    words = re.split(r"[\W_]+", name.lower().removeprefix("json."))
    if role == "content_name":
        return "_".join(words)
    if role == "style" and words[-1:] == ["id"]:
        words = words[:-1]
    return "_".join(word for word in words if word not in _PLAIN)


def _require(role: Role, column: str, kinds: Mapping[str, bool], layout: str) -> None:
    for name in _PLACE.findall(column) if "{" in column else (column,):
        if name not in kinds:
            raise _missing(role, kinds, layout, name)
    if "{" in column and not _PLACE.findall(column):
        raise DataError(f"The template {column!r} names no column, expected one in braces: correct it.")


def _missing(role: Role, kinds: Mapping[str, bool], layout: str, name: str | None = None) -> DataError:
    images = ", ".join(sorted(one for one, is_image in kinds.items() if is_image)) or "none"
    texts = ", ".join(sorted(one for one, is_image in kinds.items() if not is_image)) or "none"
    what = f"no column {name!r}" if name else f"no column for the {_words(role)}"
    return DataError(
        f"There is {what} in {layout}, only the image columns {images} and the text columns {texts}: choose one with "
        f"--{role.replace('_', '-')}."
    )


def _words(role: Role) -> str:
    return {"reference": "style image", "style": "style's name", "prompt": "prompt"}.get(
        role, f"{role} image" if role in IMAGES else "content's name"
    )


def _of(row: SourceRow, column: str) -> Value:
    if column not in row.values:
        raise DataError(f"no value in the column {column}")
    return row.values[column]


def _text(row: SourceRow, column: str) -> str:
    value = _of(row, column)
    return value.name if isinstance(value, ImageFile) else value
