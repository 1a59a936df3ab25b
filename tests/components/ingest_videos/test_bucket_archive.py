"""A zip in a bucket, asked of a real fake-gcs-server."""

from pathlib import Path
from typing import Any

import pytest

from components.contract import buckets
from components.contract.errors import StepError
from components.contract.videos import read_manifest
from components.ingest_videos.archive import open_archive


def test_a_zip_in_a_bucket_gives_what_the_local_one_gives(
    tmp_path: Path, archive: Path, run: Any, gcs_bucket: str
) -> None:
    near = run(archive, videos="local", store="near")
    buckets.upload_file(archive, f"{gcs_bucket}/data/UCF101.zip")

    ingested = run(f"{gcs_bucket}/data/UCF101.zip")

    assert (ingested.digest, ingested.counts["fetched"]) == (near.digest, 36)
    video = read_manifest(tmp_path / "videos").videos[0]
    assert Path(video.uri).stat().st_size == video.bytes


def test_an_object_replaced_while_it_is_read_ends_the_step(archive: Path, gcs_bucket: str, write_zip: Any) -> None:
    uri = f"{gcs_bucket}/UCF101.zip"
    first = buckets.upload_file(archive, uri)
    opened = open_archive(uri)
    buckets.upload_file(write_zip(archive, n_groups=7), uri, replaces=first.generation)

    with pytest.raises(StepError, match="was replaced while it was read"):
        list(opened.content(opened.members[0]))


def test_an_object_that_is_not_there_is_named(gcs_bucket: str) -> None:
    with pytest.raises(StepError, match=r"none.zip is not there \(404\)"):
        open_archive(f"{gcs_bucket}/none.zip")


def test_an_empty_object_is_no_zip(gcs_bucket: str) -> None:
    buckets.write_bytes(f"{gcs_bucket}/empty.zip", b"")

    with pytest.raises(StepError, match="is not a zip archive"):
        open_archive(f"{gcs_bucket}/empty.zip")
