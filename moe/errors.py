"""The one error of this package."""


class StyleExpertError(ValueError):
    """A refused file, style or model. The message is one sentence: what was found, what was expected, what to do."""
