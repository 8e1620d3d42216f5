from styleroute.evaluation import generated_images
from styleroute.evaluation.generated_images import images_folder


def test_changed_code_of_the_nodes_changes_the_folder(tmp_path, monkeypatch) -> None:
    (tmp_path / "nodes" / "maps").mkdir(parents=True)
    monkeypatch.setattr(generated_images, "PACK", tmp_path)
    folders = set()
    for line in ("first = 1", "second = 22"):
        (tmp_path / "nodes" / "maps" / "node.py").write_text(line)
        folders.add(images_folder("full", "", ()))
    assert len(folders) == 2
