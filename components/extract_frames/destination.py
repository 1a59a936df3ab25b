"""Where shards land: a folder, or a bucket that the workers of a distributed engine reach."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contract import buckets
from components.contract.files import replacing


@contextmanager
def landing(destination: str, name: str) -> Iterator[Path]:
    """Give a temporary path whose file lands at `destination/name` when the block ends well, all or nothing.

    What an earlier try left there is replaced: an engine may do a piece of work twice, and the bytes are the same.
    """
    if not buckets.is_bucket_uri(destination):
        with replacing(Path(destination) / name) as path:
            yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        yield path
        uri = f"{destination.rstrip('/')}/{name}"
        known = buckets.find_file(uri)
        try:
            buckets.upload_file(path, uri, replaces=known.generation if known else 0)
        except buckets.AlreadyThereError:
            return  # the same work, done twice at the same time


@contextmanager
def local_copy(uri: str) -> Iterator[Path]:
    """Give the path of a video's file; one in a bucket is fetched for as long as the block lasts.

    Raises:
        FileNotFoundError: If the bucket does not hold it.
        StepError: If the bucket cannot be used.
    """
    if not buckets.is_bucket_uri(uri):
        yield Path(uri)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video"
        if buckets.find_file(uri) is None:
            raise FileNotFoundError(uri)
        buckets.fetch_file(uri, path)
        yield path


def remove_all(uri: str) -> None:
    """Remove every object below a folder of a bucket."""
    for file in buckets.list_files(uri):
        buckets.remove_file(file.uri, generation=file.generation)
