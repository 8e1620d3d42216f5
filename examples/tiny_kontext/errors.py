"""The error of the demo's node pack."""


class TinyKontextError(ValueError):
    """The weights are missing, or belong to another model."""
