"""Stamps: photographed objects with short names; drawings, letters and small images are left out."""

from pathlib import Path

from styleroute.dataset.stamps import PACKAGE, load_stamps

STAMPS = "./usr/share/tuxpaint/stamps"


def test_photographed_objects_with_short_names_are_kept(make_package, noise, tmp_path: Path) -> None:
    large, small = noise(160, 90, "PNG", channels=4), noise(140, 140, "PNG", channels=4)
    stamps = {
        "animals/birds/owl": (large, "An owl.\nde.utf8=Eine Eule.\n"),
        "animals/rabbit": (large, "A big eared rabbit.\n"),
        "animals/mouse": (small, "A mouse.\n"),
        "animals/cartoon/fox": (large, "A fox.\n"),
        "food/salad": (large, "Salad with a great many things in it.\n"),
        "food/nameless": (large, ""),
        "hobbies/kite": (large, None),
        "symbols/letter": (large, "A letter.\n"),
        "vehicles/car": (large, "A car.\n"),
    }
    files = dict[str, bytes]()
    for name, (image, text) in stamps.items():
        files[f"{STAMPS}/{name}.png"] = image
        if text is not None:
            files[f"{STAMPS}/{name}.txt"] = text.encode()
    make_package(PACKAGE, files)
    found = load_stamps(tmp_path / "cartoon")  # the cache's own folder does not count
    assert [cutout.name for cutout in found] == ["owl", "big eared rabbit", "car"]
    assert all(cutout.pixels.shape == (160, 160, 4) for cutout in found)
