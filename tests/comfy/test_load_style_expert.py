"""Load StyleExpert: its folders, file names and refusals, and when it opens a file again."""

import os

import pytest
from styleroute.moe import StyleExpertError


@pytest.fixture
def folders(parts, tmp_path, monkeypatch, style_expert, region_expert):
    """Model folders with styles.safetensors in style_experts and pixel-art.safetensors in loras."""
    import folder_paths
    from styleroute.nodes import model_folders

    for name in ("style_experts", "style_encoders", "loras"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    monkeypatch.setattr(
        folder_paths, "folder_names_and_paths", {"loras": ([str(tmp_path / "loras")], {".safetensors"})}
    )
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    style_expert.path.rename(tmp_path / "style_experts" / "styles.safetensors")
    region_expert.path.rename(tmp_path / "loras" / "pixel-art.safetensors")
    (tmp_path / "style_experts" / "readme.txt").write_text("not offered")
    model_folders.register_model_folders()
    return tmp_path


@pytest.fixture
def node(folders):
    from styleroute.nodes.styles.load_style_expert import LoadStyleExpert

    return LoadStyleExpert


def test_names_come_from_experts_and_loras(node):
    inputs = {field.id: field for field in node.define_schema().inputs}
    assert inputs["expert"].options == ["styles.safetensors", "loras/pixel-art.safetensors"]
    assert inputs["encoder"].options == ["in the expert file"]


def test_routed_experts_come_first_and_plain_loras_stay(node, folders, write_lora):
    write_lora(folders / "style_experts" / "a-plain-lora.safetensors")
    (folders / "style_experts" / "b-broken.safetensors").write_text("This is not a safetensors file.")
    (expert,) = (field for field in node.define_schema().inputs if field.id == "expert")
    assert expert.options == [
        "styles.safetensors",
        "a-plain-lora.safetensors",
        "b-broken.safetensors",
        "loras/pixel-art.safetensors",
    ]
    assert expert.default is None  # ComfyUI starts on the first option
    assert node.execute("a-plain-lora.safetensors", "in the expert file", "as the file says").result


def test_a_replaced_file_changes_its_place_in_the_list(node, folders, write_lora):
    routed, plain = folders / "style_experts" / "styles.safetensors", folders / "style_experts" / "a.safetensors"
    os.link(routed, plain)
    assert node.define_schema().inputs[0].options[:2] == ["a.safetensors", "styles.safetensors"]
    plain.unlink()
    write_lora(plain)
    assert node.define_schema().inputs[0].options[:2] == ["styles.safetensors", "a.safetensors"]


def test_only_the_experts_own_headers_are_read(node, monkeypatch):
    """A `loras` folder may have thousands of files on a slow disk."""
    from styleroute.nodes import model_folders

    read = []
    monkeypatch.setattr(model_folders, "_has_routed_experts", lambda path, *_: bool(read.append(path)))
    node.define_schema()
    assert [os.path.basename(path) for path in read] == ["styles.safetensors"]


def test_a_suffix_in_capitals_is_listed_and_opened(node, folders):
    for folder, name in (("style_experts", "styles"), ("loras", "pixel-art")):
        (folders / folder / f"{name}.safetensors").rename(folders / folder / f"{name}.SAFETENSORS")
    offered = {field.id: field for field in node.define_schema().inputs}["expert"].options
    assert offered == ["styles.SAFETENSORS", "loras/pixel-art.SAFETENSORS"]
    assert all(node.validate_inputs(name) is True for name in offered)


def test_extra_model_paths_are_searched(folders, tmp_path):
    import folder_paths
    from styleroute.nodes import model_folders

    (extra := tmp_path / "elsewhere").mkdir()
    (extra / "more.safetensors").touch()
    folder_paths.add_model_folder_path("style_experts", str(extra), is_default=True)
    model_folders.register_model_folders()
    assert "more.safetensors" in model_folders.expert_names()
    assert model_folders.expert_path("more.safetensors") == str(extra / "more.safetensors")


@pytest.mark.parametrize("name", ["styles.safetensors", "loras/pixel-art.safetensors"])
def test_a_file_is_opened_without_reading_weights(node, name):
    assert node.validate_inputs(name) is True
    expert = node.execute(name, "in the expert file", "as the file says").result[0]
    assert expert.path.name == name.removeprefix("loras/")
    assert expert.bytes_read == 0


def test_the_encoder_may_be_in_a_second_file(node, folders):
    os.link(folders / "style_experts" / "styles.safetensors", folders / "style_encoders" / "encoder.safetensors")
    expert = node.execute("styles.safetensors", "encoder.safetensors", "as the file says").result[0]
    assert expert.encoder_config.cond_dim == 32


def test_routing_is_overridden(node):
    expert = node.execute("styles.safetensors", "in the expert file", "release-1").result[0]
    assert expert.config.routing == "release-1"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("../loras/pixel-art.safetensors", "leads out of the model folders"),
        ("loras/../../secret.safetensors", "leads out of the model folders"),
        ("/etc/passwd", "leads out of the model folders"),
        ("C:\\styles.safetensors", "leads out of the model folders"),
        ("encoder.pt", "Convert a .pt file .* convert SOURCE TARGET"),
        ("missing.safetensors", "was not found in .*style_experts"),
    ],
)
def test_bad_names_are_refused(node, name, sentence):
    with pytest.raises(StyleExpertError, match=sentence):
        node.execute(name, "in the expert file", "as the file says")
    assert node.validate_inputs(name) is not True
    with pytest.raises(StyleExpertError, match=sentence.replace("style_experts", "style_encoders")):
        node.execute("styles.safetensors", name, "as the file says")


def test_linked_values_are_not_checked_before_the_run(node):
    assert node.validate_inputs(None) is True


def test_the_fingerprint_changes_with_the_file(node, folders):
    before = node.fingerprint_inputs("styles.safetensors", "in the expert file", routing="paper")
    assert before == node.fingerprint_inputs("styles.safetensors", "in the expert file", routing="paper")
    os.utime(folders / "style_experts" / "styles.safetensors", (1, 1))
    assert before != node.fingerprint_inputs("styles.safetensors", "in the expert file", routing="paper")
