"""How well an encoder tells styles apart that it was never trained on, beside the vision model alone."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from rich.table import Table
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.retrieval import retrieval_average_precision, retrieval_hit_rate

from ...storage.whole_file import whole_file

REPORT_FILE, IMAGE_FILE = "report.json", "styles.png"
_LEAST_TO_DRAW = 5
"""t-SNE has nothing to arrange with fewer images."""


CAPTION = (
    "Likeness: rank correlation of the distances between unseen and training styles with an independent judge's. "
    "A router needs it for styles that are new to it; retrieval does not tell it."
)


@dataclass(frozen=True)
class Retrieval:
    """How one embedding finds styles.

    Attributes:
        name: of the embedding.
        recall_at_1: share of queries whose nearest image has their style.
        mean_average_precision: of the whole ranking, 0 to 1.
        silhouette: how much nearer an image is to its own style than to the next one, -1 to 1, by cosine distance.
            It still tells embeddings apart where both of the others are 1.
        queries: images that were looked up.
        left_out: images without another content in their style.
        likeness: how well it orders styles by likeness, -1 to 1 (`likeness`); None where that was not measured.
    """

    name: str
    recall_at_1: float
    mean_average_precision: float
    silhouette: float
    queries: int
    left_out: int
    likeness: float | None = None


@dataclass(frozen=True)
class EncoderReport:
    """The encoder against the vision model's own vector and against chance."""

    styles: list[str]
    rows: list[Retrieval]

    def table(self) -> Table:
        """For a terminal."""
        first = self.rows[0]
        title = f"Retrieval among {len(self.styles)} unseen styles, {first.queries} queries, never of the same content"
        table = Table("embedding", title=title, caption=CAPTION, caption_justify="left")
        for heading in ("recall@1", "mAP", "silhouette", "likeness"):
            table.add_column(heading, justify="right")
        for row in self.rows:
            shares = f"{row.recall_at_1:.1%}", f"{row.mean_average_precision:.1%}"
            likeness = "" if row.likeness is None else f"{row.likeness:.2f}"
            table.add_row(row.name, *shares, f"{row.silhouette:.2f}", likeness)
        return table

    @property
    def summary(self) -> dict[str, float | None]:
        """The encoder's own scores by name, for its file."""
        names = ("recall_at_1", "mean_average_precision", "silhouette", "likeness")
        return {name: getattr(self.rows[0], name) for name in names}

    def save(self, folder: Path) -> None:
        """As JSON beside the run's other files."""
        with whole_file(folder / REPORT_FILE) as partial:
            partial.write_text(json.dumps(asdict(self), indent=2))


def retrieve(name: str, vectors: Tensor, labels: Tensor, contents: list[str]) -> Retrieval:
    """Each image asks for others of its style, by cosine, among all images of other contents.

    Args:
        name: of the embedding.
        vectors: [N, C].
        labels: two styles or more, [N].
        contents: what each of the N images shows.
    """
    unit = functional.normalize(vectors.float(), dim=-1)
    # torchmetrics counts only scores above 0 as found: cosines are moved to 1..3.
    scores = unit @ unit.T + 2
    same = labels[:, None] == labels[None, :]
    ids = {content: number for number, content in enumerate(dict.fromkeys(contents))}
    shown = torch.tensor([ids[content] for content in contents])
    hits, precisions = [], []
    for query in range(len(vectors)):
        others = shown != shown[query]
        if same[query, others].any():
            hits.append(retrieval_hit_rate(scores[query, others], same[query, others], top_k=1))
            precisions.append(retrieval_average_precision(scores[query, others], same[query, others]))
    count = len(hits)
    means = [torch.stack(values).mean().item() if count else 0.0 for values in (hits, precisions)]
    apart = float(silhouette_score(unit.numpy(), labels.numpy(), metric="cosine")) if count else 0.0
    return Retrieval(name, *means, apart, count, len(vectors) - count)


def draw_styles(path: Path, panels: dict[str, Tensor], labels: Tensor, names: dict[int, str]) -> bool:
    """t-SNE of each embedding [N, C] beside the others, a colour a style; False where there are too few images."""
    if len(labels) < _LEAST_TO_DRAW:
        return False
    colours = colormaps["tab10" if len(names) <= 10 else "tab20"]
    figure = Figure(figsize=(6 * len(panels), 6.5), layout="constrained")
    for axes, (title, vectors) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        places = _places(vectors)
        for number, (label, name) in enumerate(names.items()):
            of_style = (labels == label).numpy()
            axes.scatter(*places[of_style].T, s=14, color=colours(number % colours.N), label=name)
        axes.set(title=title, xticks=[], yticks=[])
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=min(len(names), 7))
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110, format="png")
    return True


def _places(vectors: Tensor) -> np.ndarray:
    """[N, 2] by cosine distance."""
    unit = functional.normalize(vectors.float(), dim=-1).numpy()
    perplexity = min(30.0, (len(unit) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(unit)
