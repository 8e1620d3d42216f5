"""The length of the prompt in T5 tokens: experts expect the length of their training."""

from collections.abc import Iterable

from ..moe import StyleExpert


def length_note(expert: StyleExpert, lengths: Iterable[int]) -> str | None:
    """A sentence if no prompt has the length of the training; None otherwise, or if the file does not record it.

    Args:
        expert: the experts.
        lengths: the length of each positive prompt in text tokens.
    """
    trained, found = expert.text_tokens, sorted(set(lengths))
    if trained is None or not found or trained in found:
        return None
    return (
        f"{expert.path.name} was trained with prompts of {trained} T5 tokens, but this prompt has {found[0]}. Set "
        f"min_length {trained} in T5TokenizerOptions, between the text encoder and the prompt."
    )
