"""Style retrieval: each image searches for images of its style among all images of other contents."""

from dataclasses import dataclass

import torch
from sklearn.metrics import silhouette_score
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.retrieval import retrieval_average_precision, retrieval_hit_rate


@dataclass(frozen=True)
class RetrievalScores:
    """The scores of one embedding.

    Attributes:
        name: the embedding's name.
        recall_at_1: share of queries whose nearest image has their style, 0 to 1.
        mean_average_precision: mean over queries of the average precision of the whole ranking, 0 to 1.
        silhouette: how much closer images are to their own style than to the next one, by cosine distance, -1 to 1.
            It still separates embeddings whose other scores are 1.
        queries: number of queries.
        left_out: number of images whose style has no other content.
        similarity_order: how well the embedding orders styles by similarity, -1 to 1 (`rank_correlation`); None if not
            measured.
    """

    name: str
    recall_at_1: float
    mean_average_precision: float
    silhouette: float
    queries: int
    left_out: int
    similarity_order: float | None = None


def retrieve(name: str, vectors: Tensor, labels: Tensor, contents: list[str]) -> RetrievalScores:
    """Score an embedding by retrieval with cosine similarity.

    Args:
        name: the embedding's name.
        vectors: [N, C].
        labels: style ids [N], of two styles or more.
        contents: names of the contents of the N images.
    """
    unit = functional.normalize(vectors.float(), dim=-1)
    # torchmetrics counts only scores above 0 as found, so cosines are shifted to 1..3.
    scores = unit @ unit.T + 2  # [N, N]
    same = labels[:, None] == labels[None, :]  # [N, N]
    ids = {content: number for number, content in enumerate(dict.fromkeys(contents))}
    content_ids = torch.tensor([ids[content] for content in contents])  # [N]
    hits, precisions = [], []
    for query in range(len(vectors)):
        others = content_ids != content_ids[query]
        if same[query, others].any():
            hits.append(retrieval_hit_rate(scores[query, others], same[query, others], top_k=1))
            precisions.append(retrieval_average_precision(scores[query, others], same[query, others]))
    count = len(hits)
    recall, precision = (torch.stack(values).mean().item() if count else 0.0 for values in (hits, precisions))
    silhouette = float(silhouette_score(unit.numpy(), labels.numpy(), metric="cosine")) if count else 0.0
    return RetrievalScores(name, recall, precision, silhouette, count, len(vectors) - count)
