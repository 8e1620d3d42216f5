"""Refuses prompts with too many parentheses inside each other. Readers of weights call themselves for each level."""

from ..errors import AttentionError

MAX_NESTING = 100
"""Most levels of parentheses. Python stops at about 1000 calls inside each other."""


def require_shallow(text: str) -> None:
    """Checks the levels of parentheses in a prompt. Escaped parentheses do not count.

    Raises:
        AttentionError: there are more than MAX_NESTING levels.
    """
    level = deepest = 0
    for letter in text.replace(r"\(", "").replace(r"\)", ""):
        level = max(level + (letter == "(") - (letter == ")"), 0)
        deepest = max(deepest, level)
    if deepest > MAX_NESTING:
        raise AttentionError(
            f"The prompt has {deepest} levels of parentheses, expected at most {MAX_NESTING}. Remove parentheses, or "
            r"write \( and \) for plain ones."
        )
