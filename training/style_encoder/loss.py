"""InfoNCE between two independently drawn batches (StyleExpert, Stage 1)."""

from torch import Tensor
from torch.nn import functional


def info_nce(first: Tensor, second: Tensor, first_labels: Tensor, second_labels: Tensor, temperature: float) -> Tensor:
    """The paper's L_InfoNCE = 1/B sum_i L_i, L_i = -1 / (sum_j M_ij) sum_j M_ij l_ij.

    l_ij = log(exp(d(e_i, e'_j)) / sum_k exp(d(e_i, e'_k))) with the cosine d over the temperature, and
    M_ij = 1 where the styles of e_i and e'_j are equal. If the second batch lacks the style of row i, L_i is 0 / 0 in
    the paper; here the row is left out of the mean. With many styles this is common: with 188 styles and B = 128 it
    affects every second row. A batch without any pair has loss 0 and no gradient.

    Args:
        first: e, embeddings [B, C].
        second: e', embeddings [B', C].
        first_labels, second_labels: style ids, [B] and [B'].
        temperature: tau.
    """
    cosine = functional.normalize(first, dim=-1) @ functional.normalize(second, dim=-1).T
    log_probability = (cosine / temperature).log_softmax(dim=1)  # [B, B']
    positive = (first_labels[:, None] == second_labels[None, :]).to(log_probability.dtype)
    count = positive.sum(dim=1)
    losses = -(positive * log_probability).sum(dim=1) / count.clamp(min=1)
    return losses.sum() / (count > 0).sum().clamp(min=1)
