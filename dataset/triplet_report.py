"""What a data set of triplets holds and what was left out of it, and why: for the terminal and for report.json."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

REPORT_FILE = "report.json"
NAMES_SHOWN = 5


@dataclass
class TripletReport:
    """Filled while the data set is made.

    Attributes:
        made_with: seed, size, embedding and the like.
        splits: for each split the numbers of triplets and contents, and of images of each style.
        left_out: names by reason; every reason is a plain sentence's half.
        changed: how many images were cropped, resized.
    """

    made_with: dict[str, Any]
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    changed: Counter[str] = field(default_factory=Counter)

    def leave_out(self, reason: str, *names: str) -> None:
        """Count and name what the data set does not hold."""
        if names:
            self.left_out.setdefault(reason, []).extend(names)

    def hold(self, split: str, rows: list[dict[str, Any]]) -> None:
        """Count what a split holds; ``rows`` are its metadata."""
        unseen = {row["style"] for row in rows if not row["seen_style"]}
        self.splits[split] = {
            "triplets": len(rows),
            "contents": len({row["content_file_name"] for row in rows}),
            "unseen_styles": sorted(unseen),
            "styles": dict(sorted(Counter(row["style"] for row in rows).items())),
        }

    def write(self, folder: Path) -> None:
        """Write report.json."""
        counted = {reason: {"count": len(names), "names": names} for reason, names in self.left_out.items()}
        text = json.dumps({**vars(self), "left_out": counted}, indent=2, ensure_ascii=False)
        (folder / REPORT_FILE).write_text(text, encoding="utf-8")

    def tables(self) -> Group:
        """Both tables; the second only if something was left out or changed."""
        shown = [self._held()]
        if self.left_out or self.changed:
            shown.append(self._not_held())
        return Group(*shown)

    def _held(self) -> Table:
        table = Table("split", title="Triplets")
        for heading in ("triplets", "contents", "styles", "of these unseen"):
            table.add_column(heading, justify="right")
        for split, held in self.splits.items():
            numbers = (held["triplets"], held["contents"], len(held["styles"]), len(held["unseen_styles"]))
            table.add_row(split, *(f"{number:,}" for number in numbers))
        return table

    def _not_held(self) -> Table:
        table = Table(title="Left out, changed")
        table.add_column("what and why")
        table.add_column("images", justify="right")
        table.add_column("which", overflow="fold")
        for reason, names in self.left_out.items():
            more = ["..."] if len(names) > NAMES_SHOWN else []
            table.add_row(reason, f"{len(names):,}", ", ".join(names[:NAMES_SHOWN] + more))
        for change, count in self.changed.items():
            table.add_row(f"{change} (kept)", f"{count:,}", "")
        return table
