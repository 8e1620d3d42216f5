"""Models that Hugging Face does not give: the message names the problem, and not a wrong name or folder."""

from collections.abc import Callable
from types import SimpleNamespace

import diffusers.configuration_utils
import pytest
import transformers.utils.hub
from styleroute.errors import StyleRouteError
from styleroute.evaluation.image_embedding import load_embedding
from styleroute.training.bases import load_base
from styleroute.training.hub import hub_problem
from styleroute.training.style_encoder.vision import load_vision
from transformers.utils.hub import GatedRepoError, LocalEntryNotFoundError

RESPONSE = SimpleNamespace(headers={}, request=None, status_code=401)


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Lets every download end with an error."""

    def refuse(error: Exception) -> None:
        def download(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(diffusers.configuration_utils, "hf_hub_download", download)
        monkeypatch.setattr(transformers.utils.hub, "hf_hub_download", download)

    return refuse


@pytest.mark.parametrize("load", [load_base, load_vision, load_embedding])
def test_a_gated_model_asks_for_the_licence_and_the_login(refuse: Callable, load: Callable) -> None:
    refuse(GatedRepoError("403", response=RESPONSE))
    with pytest.raises(StyleRouteError, match=r"gated model.*Accept its licence .* log in with `hf auth login`"):
        load("someone/gated")


@pytest.mark.parametrize("load", [load_base, load_vision])
def test_without_a_network_a_downloaded_copy_is_asked_for(refuse: Callable, load: Callable) -> None:
    refuse(LocalEntryNotFoundError("offline"))
    with pytest.raises(StyleRouteError, match=r"cannot be reached\. Check the network, or give the folder"):
        load("someone/model")


def test_other_errors_have_no_hub_problem() -> None:
    assert hub_problem(OSError("no such folder")) is None
