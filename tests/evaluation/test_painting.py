from styleroute.evaluation import painting
from styleroute.evaluation.painting import folder_name


def test_other_code_of_the_nodes_has_another_folder(tmp_path, monkeypatch) -> None:
    (tmp_path / "nodes" / "maps").mkdir(parents=True)
    monkeypatch.setattr(painting, "PACK", tmp_path)
    folders = set()
    for line in ("first = 1", "second = 22"):
        (tmp_path / "nodes" / "maps" / "node.py").write_text(line)
        folders.add(folder_name("full", "", ()))
    assert len(folders) == 2
