"""Mix Styles, Save Style and Load Style with ComfyUI's own folders, and a saved style in a real server."""

from types import SimpleNamespace

import pytest
import torch
from styleroute.comfy_client import ComfyServer
from styleroute.errors import ComfyError
from styleroute.moe import StyleExpert, StyleExpertError
from styleroute.moe.mixing import mix_pair
from styleroute.moe.style import require_style

from .conftest import write_style_expert
from .test_server import latent_of, sampling, styling


@pytest.fixture
def nodes(parts) -> SimpleNamespace:
    from styleroute.nodes.styles.encode_style import EncodeStyle
    from styleroute.nodes.styles.load_style import LoadStyle
    from styleroute.nodes.styles.mix_styles import MixStyles
    from styleroute.nodes.styles.moe_apply import MoEApply
    from styleroute.nodes.styles.save_style import SaveStyle

    return SimpleNamespace(encode=EncodeStyle, load=LoadStyle, mix=MixStyles, apply=MoEApply, save=SaveStyle)


@pytest.fixture
def encoded(nodes, style_expert, siglip):
    """Encodes a random image."""

    def encode(seed: int):
        image = torch.rand(1, 40, 32, 3, generator=torch.Generator().manual_seed(seed))
        return nodes.encode.execute(style_expert, siglip, image).result[0]

    return encode


@pytest.fixture
def styles_folder(parts, tmp_path, monkeypatch):
    """An empty output folder, whose subfolder `styles` is the only folder of styles."""
    import folder_paths

    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "styles", ([str(tmp_path / "styles")], {".safetensors"}))
    folder_paths.filename_list_cache.pop("styles", None)
    yield tmp_path / "styles"
    folder_paths.filename_list_cache.pop("styles", None)


def test_mix_styles(nodes, encoded):
    first, second = encoded(0), encoded(1)
    for amount in (-0.5, 0.3, 1.5):
        mixed = nodes.mix.execute(first, second, amount).result[0]
        assert torch.equal(mixed.embedding, mix_pair(first.embedding, second.embedding, amount))
        assert mixed.encoder_id == first.encoder_id
        assert mixed.num_references == 2


def test_a_saved_style_changes_the_weights_as_before(nodes, encoded, flux, style_expert, styles_folder):
    style = encoded(0)
    shown = nodes.save.execute(style, "styles/waves", "My waves").ui.as_dict()["text"][0]
    assert shown.replace("\\", "/") == "styles/waves_00001.safetensors"
    loaded, thumbnail = nodes.load.execute("waves_00001.safetensors").result
    assert torch.equal(loaded.embedding, style.embedding)
    assert loaded.name == "My waves"
    assert thumbnail.shape == (1, 40, 32, 3)
    before, after = (nodes.apply.execute(flux, style_expert, 1.0, one).result[0].patches for one in (style, loaded))
    assert before.keys() == after.keys()
    for key, patches in before.items():
        for one, other in zip(patches[0][1].weights[:2], after[key][0][1].weights[:2], strict=True):
            assert torch.equal(one, other)


def test_a_style_of_another_encoder_is_refused(nodes, encoded, flux, styles_folder, tmp_path):
    nodes.save.execute(encoded(0), "styles/waves")
    loaded = nodes.load.execute("waves_00001.safetensors").result[0]
    other = StyleExpert.open(write_style_expert(tmp_path / "other.safetensors", seed=5))
    with pytest.raises(StyleExpertError, match=r"comes from the style encoder \w{16}, but other.safetensors expects"):
        nodes.apply.execute(flux, other, 1.0, loaded)
    assert not flux.patches


def test_one_style_per_image_is_refused_where_one_style_is_merged(nodes, style_expert, siglip):
    images = torch.rand(3, 32, 32, 3)
    many = nodes.encode.execute(style_expert, siglip, images, combine="one style per image").result[0]
    assert many.embedding.shape == (3, 32)
    with pytest.raises(StyleExpertError, match="holds 3 styles, one per image"):
        require_style(style_expert, many)


def test_a_style_without_a_picture_loads_grey(nodes, encoded, styles_folder):
    from dataclasses import replace

    nodes.save.execute(replace(encoded(0), thumbnail=None), "styles/plain")
    assert nodes.load.execute("plain_00001.safetensors").result[1].unique().tolist() == [0.5]


def test_nothing_is_overwritten_and_names_stay_inside(nodes, encoded, styles_folder):
    for _ in range(2):
        nodes.save.execute(encoded(0), "styles/waves")
    assert len(list(styles_folder.iterdir())) == 2
    for name in ("../waves", "", "styles/", "/tmp/waves"):
        with pytest.raises(StyleExpertError, match="leads out of the output folder"):
            nodes.save.execute(encoded(0), name)


@pytest.mark.parametrize("name", ["../waves.safetensors", "none.safetensors", "waves.png"])
def test_files_that_cannot_be_loaded_are_refused_before_the_run(nodes, styles_folder, name):
    assert isinstance(nodes.load.validate_inputs(style_file=name), str)
    with pytest.raises(StyleExpertError):
        nodes.load.execute(name)


def test_a_changed_file_is_read_again(nodes, encoded, styles_folder):
    nodes.save.execute(encoded(0), "styles/waves")
    name = "waves_00001.safetensors"
    before = nodes.load.fingerprint_inputs(style_file=name)
    (styles_folder / name).unlink()
    nodes.save.execute(encoded(1), "styles/waves", "another name")
    assert nodes.load.fingerprint_inputs(style_file=name) != before


@pytest.mark.comfy
def test_a_mix_is_saved_and_loaded_by_the_server(server: ComfyServer, tmp_path):
    from PIL import Image

    for colour in ("red", "blue"):
        Image.new("RGB", (32, 48), colour).save(tmp_path / f"{colour}.png")
    graph = styling(server.upload_image(tmp_path / "red.png"))
    graph["8"] = {"class_type": "LoadImage", "inputs": {"image": server.upload_image(tmp_path / "blue.png")}}
    graph["9"] = graph["4"] | {"inputs": graph["4"]["inputs"] | {"image": ["8", 0]}}
    mixing = {"style_a": ["4", 0], "style_b": ["9", 0], "amount": 0.4}
    graph["10"] = {"class_type": "StyleRoute_MixStyles", "inputs": mixing}
    graph["5"]["inputs"]["style"] = ["10", 0]
    saving = {"style": ["10", 0], "filename_prefix": "styles/mix", "name": "red to blue"}
    save = {"11": {"class_type": "StyleRoute_SaveStyle", "inputs": saving}}
    outputs = server.run(graph | save | sampling(["5", 0], "mixed"))
    name = outputs["11"]["text"][0].replace("\\", "/").removeprefix("styles/")
    listed = server.object_info()["StyleRoute_LoadStyle"]["input"]["required"]["style_file"]
    assert name in str(listed)
    graph["10"] = {"class_type": "StyleRoute_LoadStyle", "inputs": {"style_file": name}}
    server.run({key: graph[key] for key in ("1", "3", "5", "10")} | sampling(["5", 0], "loaded"))
    assert torch.equal(latent_of(server, "mixed"), latent_of(server, "loaded"))
    graph["10"]["inputs"]["style_file"] = "../styles/x.safetensors"
    with pytest.raises(ComfyError, match="leads out of the model folders"):
        server.run({key: graph[key] for key in ("1", "3", "5", "10")} | sampling(["5", 0], "never"))
