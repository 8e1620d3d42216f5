"""The rule that chooses references, on embeddings by hand; and reading a dataset back."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from styleroute.dataset import triplets
from styleroute.dataset.triplets import Triplet, choose_references, read_triplets
from styleroute.errors import DataError
from torch.nn.functional import cosine_similarity

ROW = {
    "content_file_name": "content/0001.png",
    "reference_file_name": "oil/0002.png",
    "stylised_file_name": "oil/0001.png",
    "style": "oil",
    "style_id": 5,
    "seen_style": False,
    "content_name": "harbour",
    "prompt": "a photo of a boat",
}


def test_the_most_similar_of_the_style() -> None:
    # 0 to 3 are oil. By angle 1 is nearest to 0 (its length does not matter), and 4, of another style, nearer still.
    embeddings = torch.tensor([[1.0, 0.0], [30.0, 10.0], [0.0, 1.0], [-1.0, 0.2], [1.0, 0.01]])
    styles = ["oil", "oil", "oil", "oil", "ink"]
    assert choose_references(embeddings, styles, list("abcde")) == [1, 0, 1, 2, None]


def test_never_itself_and_never_the_same_content() -> None:
    # 0 and 1 show the same, and are the same image; of what is left 3 is nearest to both.
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.1], [0.5, 0.5]])
    assert choose_references(embeddings, ["oil"] * 4, ["a", "a", "b", "c"]) == [3, 3, 3, 0]


def test_the_first_wins_a_tie() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.6, -0.8], [3.0, 4.0000001]])
    assert choose_references(embeddings, ["oil"] * 4, list("abcd"))[0] == 1
    assert choose_references(torch.ones(5, 3), ["oil"] * 5, list("abcde")) == [1, 0, 0, 0, 0]


def test_a_style_with_a_single_image_or_content_has_none() -> None:
    styles, contents = ["oil", "ink", "ink", "wash", "wash"], ["a", "a", "a", "a", "b"]
    assert choose_references(torch.randn(5, 4), styles, contents) == [None, None, None, 4, 3]


def test_against_a_literal_search(monkeypatch) -> None:
    """In slices of a few rows, against one loop over all pairs."""
    slices = triplets._most_similar
    monkeypatch.setattr(triplets, "_most_similar", lambda vectors, names: slices(vectors, names, rows=7))
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(60, 8, generator=generator)
    styles = [f"style {i % 4}" for i in range(60)]
    contents = [f"content {int(i)}" for i in torch.randint(0, 9, (60,), generator=generator)]
    for index, reference in enumerate(choose_references(embeddings, styles, contents)):
        allowed = [i for i in range(60) if styles[i] == styles[index] and contents[i] != contents[index]]
        cosines = cosine_similarity(embeddings[index][None], embeddings[allowed])
        assert reference == allowed[int(cosines.argmax())]


def test_bad_embeddings_are_refused() -> None:
    assert choose_references(torch.zeros(2, 3), ["oil"] * 2, ["a", "b"]) == [1, 0]
    with pytest.raises(DataError, match="not finite: choose another one with --embedding"):
        choose_references(torch.tensor([[float("nan")], [1.0]]), ["oil"] * 2, ["a", "b"])
    with pytest.raises(ValueError, match="2 embeddings, 3 styles"):
        choose_references(torch.ones(2, 3), ["oil"] * 3, ["a", "b"])


def _dataset(folder: Path, *rows: str) -> Path:
    for name in ("content/0001.png", "oil/0001.png", "oil/0002.png"):
        path = folder / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16)).save(path)
    (folder / "train" / "metadata.jsonl").write_text("\n".join(rows))
    return folder


def test_a_row_is_read_as_absolute_paths(tmp_path: Path, monkeypatch) -> None:
    _dataset(tmp_path / "data", json.dumps(ROW), "")
    monkeypatch.chdir(tmp_path)
    train = tmp_path / "data" / "train"
    paths = (train / "content/0001.png", train / "oil/0002.png", train / "oil/0001.png")
    assert read_triplets(Path("data"), "train") == [
        Triplet(*paths, "oil", 5, "harbour", "a photo of a boat", seen_style=False)
    ]


def test_triplets_without_their_images_are_skipped_and_named(tmp_path: Path, capsys) -> None:
    lost = {**ROW, "stylised_file_name": "oil/0009.png"}
    _dataset(tmp_path, json.dumps(ROW), json.dumps(lost))
    assert len(read_triplets(tmp_path, "train")) == 1
    shown = "".join(capsys.readouterr().out.split("\n"))
    assert "Skipped 1 of 2 triplets" in shown
    assert "oil/0009.png" in shown
    _dataset(tmp_path, json.dumps(lost))
    with pytest.raises(DataError, match="no triplet with all of its images"):
        read_triplets(tmp_path, "train")


@pytest.mark.parametrize("line", ["no json", '["a list"]', json.dumps({"style": "oil"}), '{"style_id": "x"}'])
def test_a_row_that_is_no_triplet_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    _dataset(tmp_path, json.dumps(ROW), line)
    with pytest.raises(DataError, match=r"metadata\.jsonl, line 2, is not a triplet .*styleroute data paintings"):
        read_triplets(tmp_path, "train")


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"because test/metadata\.jsonl is missing: make one with `styleroute data",
    ):
        read_triplets(_dataset(tmp_path, json.dumps(ROW)), "test")
