"""Explains why a model cannot be fetched from Hugging Face: its licence is not accepted, or there is no network."""

from collections.abc import Iterator

_GATED = "GatedRepoError"
_UNREACHABLE = {"LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectionError", "ConnectError", "ConnectTimeout"}


def hub_problem(error: BaseException) -> str | None:
    """The problem with its remedy, as the end of a message; None if the error has another cause.

    Args:
        error: an error of diffusers or transformers. They hide the hub's own error behind a general one.
    """
    causes = {type(cause).__name__ for cause in _causes(error)}
    if _GATED in causes:
        return (
            "it is a gated model, and this machine has no access to it. Accept its licence on its page at Hugging Face "
            "and log in with `hf auth login`, or give the folder of a downloaded copy"
        )
    if causes & _UNREACHABLE:
        return (
            "it is not on this machine, and Hugging Face cannot be reached. Check the network, or give the folder of a "
            "downloaded copy"
        )
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and the errors during whose handling it was raised."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
