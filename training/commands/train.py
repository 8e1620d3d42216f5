"""`styleroute train`: the trainers."""

from ..tiny.run import TinyConfig, TinyTraining


def tiny(config: TinyConfig) -> None:
    """Train the small Kontext that ships with the pack: autoencoder, editor and painter, vision tower, experts."""
    TinyTraining(config).run()


SUBCOMMANDS = {"tiny": tiny}
