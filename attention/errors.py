"""The one error of this package."""


class AttentionError(ValueError):
    """A refused phrase, size or empty capture. The message is one sentence: what was found, expected, what to do."""
