"""Files of a pipeline root, read only: listed, read and fetched by address, from gs://, s3:// or minio://."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contract import buckets
from components.contract.errors import StepError
from pipelines.cluster import s3_storage


def list_files(uri: str) -> list[str]:
    """Return the addresses of all files below a folder, sorted; none where there is no such folder.

    Raises:
        StepError: If it is no address in object storage, or the storage refuses or cannot be reached.
    """
    with _library(uri):
        if buckets.is_bucket_uri(uri):
            return [file.uri for file in buckets.list_files(uri)]
        return s3_storage.list_files(uri)


def read_bytes(uri: str) -> bytes:
    """Return a file's bytes; errors as for `list_files`."""
    with _library(uri):
        return buckets.read_bytes(uri) if buckets.is_bucket_uri(uri) else s3_storage.read_bytes(uri)


def fetch_file(uri: str, path: Path) -> None:
    """Copy a file to this machine, all or nothing; errors as for `list_files`."""
    with _library(uri):
        if buckets.is_bucket_uri(uri):
            buckets.fetch_file(uri, path)
        else:
            s3_storage.fetch_file(uri, path)


@contextmanager
def _library(uri: str) -> Iterator[None]:
    """Name the extra that is missing where a light install reads object storage."""
    is_gcs = buckets.is_bucket_uri(uri)
    if not is_gcs and not uri.startswith(s3_storage.SCHEMES):
        raise StepError(
            f"{uri!r} is no address in object storage.", remedy="Give gs://, s3:// or minio:// with --pipeline-root."
        )
    try:
        yield
    except ImportError as error:
        extra = "steps" if is_gcs else "s3"
        raise StepError(
            f"Reading {uri} needs the Python package {error.name}.",
            remedy=f"Run `make setup`, or install reelflow[{extra}].",
        ) from error
