"""Texts in the encodings of common editors: read exactly, or refused, and never mangled."""

import codecs
from pathlib import Path

import pytest
from styleroute.errors import DataError
from styleroute.storage.text_reader import read_text

TEXT = "ein Käfer, 猫, 🦉"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding=encoding)
    assert read_text(path) == TEXT


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_both_byte_orders_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    for order in ("le", "be"):
        mark = getattr(codecs, f"BOM_{encoding.upper().replace('-', '')}_{order.upper()}")
        path.write_bytes(mark + TEXT.encode(f"{encoding}-{order}"))
        assert read_text(path) == TEXT


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("ein Käfer", "cp1252"), ("猫の写真", "shift_jis"), ("a cat", "utf-16-le")],
)
def test_other_encodings_are_refused_with_the_remedy(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(DataError, match=r"a\.txt is no text in UTF-8, and has no byte order mark: save it again"):
        read_text(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_text(tmp_path / "a.txt")
