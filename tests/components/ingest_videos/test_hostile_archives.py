import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from components.contract.errors import StepError
from components.ingest_videos.archive import Archive, open_archive
from components.ingest_videos.inflating import CorruptError
from components.ingest_videos.local_file import LocalFile
from components.ingest_videos.members import Limits


def stored_videos(store: Path) -> list[Path]:
    return sorted((store / "videos").glob("??/*"))


def partial_files(store: Path) -> list[Path]:
    return sorted((store / "videos" / "partial").glob("*/*"))


def test_a_corrupt_member_is_left_out_and_the_rest_go_on(
    tmp_path: Path, archive: Path, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(archive) as original:
        info = original.getinfo("UCF101/v_SitDown_g02_c02.avi")
    data = bytearray(archive.read_bytes())
    data[info.header_offset + 30 + len(info.filename) + 40] ^= 0xFF
    archive.write_bytes(data)

    ingested = run(archive)

    assert (ingested.counts["videos"], ingested.counts["rejected"]) == (35, 1)
    assert info.filename.rpartition("/")[2] in capsys.readouterr().out
    assert len(stored_videos(tmp_path / "store")) == 35
    assert partial_files(tmp_path / "store") == []


def test_a_class_of_which_nothing_can_be_read_ends_the_step(tmp_path: Path, run: Any) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("UCF101/v_SitDown_g01_c01.avi", bytes(1 << 20))

    with pytest.raises(StepError, match=r"v_SitDown_g01_c01.avi.*packed more than 200 times"):
        run(tmp_path / "bomb.zip")

    assert stored_videos(tmp_path / "store") == []


def test_hostile_and_foreign_members_are_ignored_and_counted(tmp_path: Path, run: Any) -> None:
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        archive.writestr("UCF101/v_SitDown_g01_c01.avi", b"a video")
        archive.writestr("../v_Slip_g01_c01.avi", b"slips")
        archive.writestr("/tmp/v_Slip_g01_c02.avi", b"slips")
        archive.writestr("UCF101/v_Slip_g01_c03.avi#../../x", b"slips")
        archive.writestr("UCF101/readme.txt", b"text")
        archive.writestr("UCF-101/v_SitDown_g01_c01.avi", b"a second one of this name")
    data = (tmp_path / "slip.zip").read_bytes()
    (tmp_path / "slip.zip").write_bytes(data.replace(b"avi#", b"avi\0"))  # zipfile does not write such a name

    ingested = run(tmp_path / "slip.zip")

    assert (ingested.counts["videos"], ingested.counts["ignored"]) == (1, 5)
    assert [path.read_bytes() for path in stored_videos(tmp_path / "store")] == [b"a video"]
    assert {path.name for path in tmp_path.iterdir()} == {"slip.zip", "videos", "store"}


NAME = "UCF101/v_SitDown_g02_c01.avi"


def _with_symlink(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo(NAME)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def _with_device(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo(NAME)
    info.external_attr = (stat.S_IFCHR | 0o777) << 16
    archive.writestr(info, "")


def _with_duplicate(archive: zipfile.ZipFile) -> None:
    archive.writestr(NAME, b"one")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(NAME, b"two")


def _with_case_clash(archive: zipfile.ZipFile) -> None:
    archive.writestr(NAME, b"one")
    archive.writestr(NAME.replace("UCF", "ucf"), b"two")


def _with_unknown_method(archive: zipfile.ZipFile) -> None:
    archive.writestr(NAME, b"a video", compress_type=zipfile.ZIP_LZMA)


def _with_bomb(archive: zipfile.ZipFile) -> None:
    archive.writestr(NAME, bytes(1 << 20), compress_type=zipfile.ZIP_DEFLATED)


def _with_claim(**claims: int) -> Callable[[zipfile.ZipFile], None]:
    """Write a member of which the directory claims something else than is so."""

    def write(archive: zipfile.ZipFile) -> None:
        archive.writestr(NAME, b"a video " * 100, compress_type=zipfile.ZIP_DEFLATED)
        for name, value in claims.items():
            setattr(archive.getinfo(NAME), name, value)

    return write


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (_with_symlink, "it is a symbolic link"),
        (_with_device, "it is no regular file"),
        (_with_duplicate, "several members of this name"),
        (_with_case_clash, "differs only in upper and lower case"),
        (_with_unknown_method, "unknown method 14"),
        (_with_bomb, "packed more than 200 times"),
        (_with_claim(flag_bits=1), "it is encrypted"),
        (_with_claim(flag_bits=0x40), "it is encrypted"),
        (_with_claim(compress_type=99), "unknown method 99"),
        (_with_claim(file_size=5 << 30), "claims 5368709120 bytes; 4294967296 are allowed"),
        (_with_claim(file_size=799), "holds more than the 799 bytes"),
        (_with_claim(file_size=801), "holds 800 bytes, not the 801"),
        (_with_claim(CRC=1), "CRC-32"),
        (_with_claim(header_offset=0), "overlaps another member"),
        (_with_claim(header_offset=1 << 40), "does not lie within the archive"),
        (_with_claim(compress_size=1 << 40), "does not lie within the archive"),
        (_with_claim(compress_size=10), "it is cut"),
    ],
)
def test_a_member_that_must_not_be_read_is_rejected_with_the_reason(
    tmp_path: Path, run: Any, capsys: pytest.CaptureFixture[str], write: Callable[[zipfile.ZipFile], None], reason: str
) -> None:
    with zipfile.ZipFile(tmp_path / "hostile.zip", "w") as archive:
        archive.writestr("readme.txt", b"x" * 500)
        write(archive)
        archive.writestr("UCF101/v_SitDown_g01_c01.avi", b"a video")

    ingested = run(tmp_path / "hostile.zip")

    assert (ingested.counts["videos"], ingested.counts["rejected"]) == (1, 1)
    assert reason in capsys.readouterr().out
    assert [path.read_bytes() for path in stored_videos(tmp_path / "store")] == [b"a video"]
    assert {path.name for path in tmp_path.iterdir()} == {"hostile.zip", "videos", "store"}


def test_members_that_share_their_bytes_are_all_rejected(tmp_path: Path, run: Any) -> None:
    with zipfile.ZipFile(tmp_path / "overlap.zip", "w") as archive:
        for number in range(1, 5):
            archive.writestr(f"UCF101/v_SitDown_g{number:02d}_c01.avi", b"a video" * number)
        for info in archive.infolist()[1:]:
            info.header_offset, info.compress_size, info.file_size = 0, 7, 7

    with pytest.raises(StepError, match="it overlaps another member"):
        run(tmp_path / "overlap.zip")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(n_members=35), r"has 37 members; 35 are allowed|not a zip archive"),
        (Limits(total_bytes=1000), r"claims \d+ bytes when unpacked; 1000 are allowed"),
    ],
)
def test_an_archive_that_claims_too_much_is_refused(archive: Path, limits: Limits, message: str) -> None:
    with pytest.raises(StepError, match=message):
        Archive(LocalFile(archive), shown="it.zip", limits=limits)


def test_a_directory_larger_than_is_allowed_is_not_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(6000):
            archive.writestr(f"{number:04d}", b"")

    with pytest.raises(zipfile.BadZipFile, match="too large"):
        Archive(LocalFile(tmp_path / "many.zip"), shown="many.zip", limits=Limits(n_members=1000))


@pytest.mark.parametrize("n_kept", [0, 1, 21, 22, 100, 2000, -1, -10, -22, -23, -100, -1000])
def test_a_truncated_archive_is_refused(archive: Path, run: Any, n_kept: int) -> None:
    archive.write_bytes(archive.read_bytes()[:n_kept])

    with pytest.raises(StepError, match="is not a zip archive, or it was cut"):
        run(archive)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=strategies.data())
def test_damaged_directories_are_refused_or_their_members_rejected(tmp_path: Path, data: strategies.DataObject) -> None:
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "UCF101/v_SitDown_g01_c01.avi",
            b"a video" * 20,
        )
        archive.writestr("UCF101/v_SitDown_g02_c01.avi", b"another" * 20)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(strategies.integers(1, 4))):
        whole[data.draw(strategies.integers(0, len(whole) - 1))] = data.draw(strategies.integers(0, 255))
    path.write_bytes(whole)

    try:
        opened = open_archive(str(path))
    except StepError:
        return
    for info in opened.members:
        try:
            content = b"".join(opened.content(info))
        except CorruptError:
            continue
        assert zlib.crc32(content) == info.CRC


def test_a_zip64_record_that_lies_is_refused(tmp_path: Path, run: Any) -> None:
    with zipfile.ZipFile(tmp_path / "lies.zip", "w") as archive:
        archive.writestr(NAME, b"a video")
        start = archive.start_dir
    data = (tmp_path / "lies.zip").read_bytes()
    directory, end = data[start:-22], bytearray(data[-22:])
    end[8:20] = b"\xff" * 12  # sizes, counts and offsets: see the zip64 record
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 1 << 50, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, start + len(directory), 1)
    (tmp_path / "lies.zip").write_bytes(data[:-22] + record + locator + bytes(end))

    with pytest.raises(StepError, match="is not a zip archive"):
        run(tmp_path / "lies.zip")


@pytest.mark.parametrize("source", ["ftp://host/a.zip", "file:///etc/passwd", "FILE://x/a.zip", "s3://bucket/a.zip"])
def test_schemes_not_on_the_list_are_refused(source: str) -> None:
    with pytest.raises(StepError, match=r"scheme that is not read.*http://, https://, gs://"):
        open_archive(source)
