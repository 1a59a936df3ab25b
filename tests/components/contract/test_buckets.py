from pathlib import Path

import pytest

from components.contract import buckets
from components.contract.errors import StepError


def test_what_is_written_is_listed_and_read(gcs_bucket: str) -> None:
    written = buckets.write_bytes(f"{gcs_bucket}/models/1/a.txt", b"hello")
    buckets.write_bytes(f"{gcs_bucket}/models/10/b.txt", b"other")

    listed = buckets.list_files(f"{gcs_bucket}/models/1")

    assert listed == [written]
    assert buckets.find_file(written.uri) == written
    assert buckets.read_bytes(written.uri) == b"hello"
    assert buckets.read_bytes(written.uri, start=1, end=3) == b"el"


def test_object_is_created_once_and_replaced_only_in_its_known_generation(gcs_bucket: str) -> None:
    first = buckets.write_bytes(f"{gcs_bucket}/config", b"one")

    with pytest.raises(buckets.AlreadyThereError):
        buckets.write_bytes(f"{gcs_bucket}/config", b"two")
    second = buckets.write_bytes(f"{gcs_bucket}/config", b"two", replaces=first.generation)
    with pytest.raises(buckets.AlreadyThereError):
        buckets.write_bytes(f"{gcs_bucket}/config", b"three", replaces=first.generation)

    assert buckets.read_bytes(second.uri) == b"two"


def test_folder_and_files_travel_both_ways(gcs_bucket: str, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\x00\x01")
    buckets.upload_file(tmp_path / "a.bin", f"{gcs_bucket}/run/videos/deep/a.bin")
    buckets.write_bytes(f"{gcs_bucket}/run/videos/b.bin", b"b")

    buckets.fetch_folder(f"{gcs_bucket}/run/videos", tmp_path / "copy")

    fetched = {str(path.relative_to(tmp_path)): path.read_bytes() for path in (tmp_path / "copy").rglob("*.bin")}
    assert fetched == {"copy/deep/a.bin": b"\x00\x01", "copy/b.bin": b"b"}


def test_removed_object_is_gone_and_removing_it_again_is_no_error(gcs_bucket: str) -> None:
    file = buckets.write_bytes(f"{gcs_bucket}/a", b"a")

    buckets.remove_file(file.uri, generation=file.generation)
    buckets.remove_file(file.uri, generation=file.generation)

    assert buckets.find_file(file.uri) is None


def test_missing_object_and_bucket_are_named(gcs_bucket: str, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="is not there"):
        buckets.read_bytes(f"{gcs_bucket}/missing")
    with pytest.raises(StepError, match="is not there"):
        buckets.fetch_file("gs://no-such-bucket/name", tmp_path / "file")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["gs://", "s3://bucket/name", "gs://bucket/a/../b", "gs://bucket/a\nb", "/a/path"])
def test_address_that_is_none_is_refused(uri: str) -> None:
    with pytest.raises(StepError, match="is no address in a bucket"):
        buckets.split_uri(uri)
