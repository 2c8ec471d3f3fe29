"""An archive is unpacked into its folder and nowhere else, with or without the standard library's own protection."""

import tarfile

import pytest

from gyre.archives import unpack


@pytest.fixture(params=["of the standard library", "our own"])
def protection(request, monkeypatch):
    if request.param == "our own":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


def packed(tmp_path, member):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(member)
    return tarfile.open(tmp_path / "a.tar")


def test_files_and_folders_arrive(tmp_path, protection):
    (tmp_path / "in" / "src").mkdir(parents=True)
    (tmp_path / "in" / "src" / "served.json").write_text("{}")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "in", ".")
    with tarfile.open(tmp_path / "a.tar") as archive:
        unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "src" / "served.json").read_text() == "{}"


def test_nothing_is_written_beside_the_folder(tmp_path, protection):
    with packed(tmp_path, tarfile.TarInfo("../beside")) as archive, pytest.raises((ValueError, tarfile.FilterError), match="beside"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "beside").exists()


def test_a_link_to_elsewhere_is_refused(tmp_path, protection):
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with packed(tmp_path, link) as archive, pytest.raises((ValueError, tarfile.FilterError), match="link"):
        unpack(archive, tmp_path / "out")
