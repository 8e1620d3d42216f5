"""The report of a triplet dataset: its content, and what was left out and why. For the terminal and report.json."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from ..plain_text import plain

REPORT_FILE = "report.json"
NAMES_SHOWN = 5
NAME_LENGTH = 200
"""Upper limit for the characters of a name in the terminal. Names of foreign files may hold control characters."""


@dataclass
class TripletReport:
    """A report that is filled while the dataset is written.

    Attributes:
        made_with: the options of the command, such as seed, size and embedding.
        splits: numbers of triplets and contents, and of images per style, by split.
        left_out: names of the images left out, by reason.
        changed: number of images that were cropped or resized.
    """

    made_with: dict[str, Any]
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    changed: Counter[str] = field(default_factory=Counter)

    def leave_out(self, reason: str, *names: str) -> None:
        """Adds images that the dataset leaves out."""
        if names:
            self.left_out.setdefault(reason, []).extend(names)

    def count_split(self, split: str, rows: list[dict[str, Any]]) -> None:
        """Counts the triplets, contents and styles of a split from its metadata rows."""
        unseen = {row["style"] for row in rows if not row["seen_style"]}
        self.splits[split] = {
            "triplets": len(rows),
            "contents": len({row["content_file_name"] for row in rows}),
            "unseen_styles": sorted(unseen),
            "styles": dict(sorted(Counter(row["style"] for row in rows).items())),
        }

    def write(self, folder: Path) -> None:
        """Writes report.json into the folder."""
        counted = {reason: {"count": len(names), "names": names} for reason, names in self.left_out.items()}
        text = json.dumps({**vars(self), "left_out": counted}, indent=2, ensure_ascii=False)
        # A name from a foreign file may hold half a surrogate pair; its escape is valid JSON.
        (folder / REPORT_FILE).write_text(text, encoding="utf-8", errors="backslashreplace")

    def tables(self) -> Group:
        """Returns the tables for the terminal; the second one only if something was left out or changed."""
        shown = [self._split_table()]
        if self.left_out or self.changed:
            shown.append(self._left_out_table())
        return Group(*shown)

    def _split_table(self) -> Table:
        table = Table("split", title="Triplets")
        for heading in ("triplets", "contents", "styles", "of these unseen"):
            table.add_column(heading, justify="right")
        for split, counts in self.splits.items():
            numbers = (counts["triplets"], counts["contents"], len(counts["styles"]), len(counts["unseen_styles"]))
            table.add_row(split, *(f"{number:,}" for number in numbers))
        return table

    def _left_out_table(self) -> Table:
        table = Table(title="Left out, changed")
        table.add_column("what and why")
        table.add_column("images", justify="right")
        table.add_column("which", overflow="fold")
        for reason, names in self.left_out.items():
            more = ["..."] if len(names) > NAMES_SHOWN else []
            shown = ", ".join(plain(name, NAME_LENGTH) for name in names[:NAMES_SHOWN] + more)
            table.add_row(escape(reason), f"{len(names):,}", escape(shown))
        for change, count in self.changed.items():
            table.add_row(f"{change} (kept)", f"{count:,}", "")
        return table
