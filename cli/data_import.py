"""`styleroute data import`: takes a downloaded dataset of triplets into the layout that the trainers read."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.markup import escape
from rich.table import Table

from ..dataset.importing.collect import FIRST_ROWS
from ..dataset.importing.columns import Columns, find_columns
from ..dataset.importing.import_triplets import ImportOptions, import_triplets
from ..dataset.importing.open_source import Layout, open_source
from ..dataset.importing.rows import ImageFile, Source, SourceRow
from ..dataset.triplet_report import REPORT_FILE, TripletReport
from ..dataset.user_folder import HoldOut
from ..errors import DataError
from ..evaluation.image_embedding import load_embedding
from ..plain_text import plain
from ..progress import console


def import_dataset(
    folder: Annotated[Path, tyro.conf.Positional],
    output: Annotated[Path, tyro.conf.Positional] = Path("data") / "triplets",
    columns: Annotated[Columns, tyro.conf.arg(name="")] = Columns(),  # noqa: B008
    layout: Layout = "auto",
    metadata: Path | None = None,
    split: str = "train",
    strip: str = "",
    look: bool = False,
    references: Literal["given", "chosen"] = "given",
    embedding: str = "openai/clip-vit-large-patch14",
    size: int = 1024,
    limit: int | None = None,
    test_styles: int = 0,
    test_contents: int | None = None,
    seed: int = 0,
    threads: int = 0,
) -> None:
    """Import a downloaded dataset of triplets, such as StyleExpert-40K: content, style and stylised images.

    Reads folders of Hugging Face's `datasets` (Parquet, `save_to_disk`, `imagefolder`), WebDataset (tar archives), and
    tables of paths whose images are in folders or tar archives. Begin with --look: it lists the columns.

    Args:
        folder: the downloaded dataset; it is not changed.
        output: the folder to create; the default is the folder that `train experts` reads.
        columns: the columns of the dataset.
        layout: "arrow" (Parquet or save_to_disk), "table" (paths in a file), "tar" (WebDataset), or "auto".
        metadata: the table of paths: a .jsonl, .json, .csv or .tsv file, relative to the folder.
        split: the split of the dataset to read, if it has several.
        strip: a start of the paths in the table that is removed, such as /home/author/dataset.
        look: print the layout, the columns and the first values, and write nothing.
        references: "given": the dataset's style images; "chosen": the most similar image of the same style with another
            content, by --embedding.
        embedding: image embedding for chosen style images: name or folder of a CLIP or SigLIP, or "tiny".
        size: side of the images in pixels, a multiple of 16; other images are cropped to a square and resized.
        limit: most triplets to import, in the dataset's order.
        test_styles: number of styles for the test split.
        test_contents: number of contents for the test split; by default a tenth, but at least 2, if there are test
            styles.
        seed: random seed that chooses the test styles and test contents.
        threads: number of threads that resize images; 0: one for each core, at most 8.
    """
    source = open_source(folder, layout, split, metadata, strip)
    if look:
        _show(source, columns, references == "given")
        return
    hold = HoldOut(test_styles, test_contents, seed)
    options = ImportOptions(size, limit, hold, threads)
    embed = None
    made_with = {"source": folder.name, "layout": source.layout, "size": size, "limit": limit, **asdict(hold)}
    made_with["references"] = references
    if references == "chosen":
        made_with["embedding"] = embedding
        with console.status("Loading the image embedding"):
            embed = load_embedding(embedding)
    report = TripletReport(made_with)
    import_triplets(source, columns, output, options, report, embed)
    console.print(report.tables())
    console.print(f"Wrote {output.resolve()}; all names are in {REPORT_FILE}", soft_wrap=True)


def _show(source: Source, columns: Columns, given: bool) -> None:
    """Prints the columns of the first rows, their first values, and what each is taken for."""
    rows = [row for row in islice(iter(source), FIRST_ROWS) if isinstance(row, SourceRow)]
    roles, problem = dict[str, str](), ""
    try:
        found = find_columns(columns, rows, source.layout, given)
        roles = {column: role.replace("_", "-") for role, column in found.by_role.items()}
    except DataError as error:
        problem = str(error)
    console.print(_column_table(source, rows, roles), soft_wrap=True)
    count = source.count()
    console.print(f"Rows: {'unknown until all are read' if count is None else f'{count:,}'}")
    for column, role in roles.items():
        if "{" in column:
            console.print(f"--{role}: {column}", markup=False)
    if problem:
        console.print(problem, soft_wrap=True, markup=False)


def _column_table(source: Source, rows: Sequence[SourceRow], roles: dict[str, str]) -> Table:
    table = Table("column", "kind", "option", "first value", title=f"Columns of {source.layout}")
    first = {name: value for row in reversed(rows) for name, value in row.values.items()}
    for name, value in first.items():
        is_image = isinstance(value, ImageFile)
        option = f"--{roles[name]}" if name in roles else ""
        shown = plain(str(value.name if is_image else value), 80)
        table.add_row(escape(plain(name, 80)), "image" if is_image else "text", option, escape(shown))
    return table
