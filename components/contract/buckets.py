"""Files in Google Cloud Storage: `gs://bucket/name`, read, listed, fetched and created."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from components.contract.errors import StepError
from components.contract.files import replacing

SCHEME = "gs://"
_EMULATOR_VARIABLE = "STORAGE_EMULATOR_HOST"  # read by google-cloud-storage itself, too
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class RemoteFile:
    """One object of a bucket.

    Attributes:
        uri: gs://bucket/name.
        bytes: Size.
        generation: Changes whenever the object is written anew.
        crc32c: Checksum of its bytes as the bucket keeps it, base64.
    """

    uri: str
    bytes: int
    generation: int
    crc32c: str


class AlreadyThereError(Exception):
    """An object that was to be created, or replaced in a known generation, is another one."""


def is_bucket_uri(uri: str) -> bool:
    """Say whether this names something in Google Cloud Storage."""
    return uri.startswith(SCHEME)


def split_uri(uri: str) -> tuple[str, str]:
    """Return (bucket, name); the name is empty for the bucket itself.

    Raises:
        StepError: If it is no gs:// address with a bucket, or if its name climbs or holds control characters.
    """
    bucket, _, name = uri.removeprefix(SCHEME).partition("/")
    if not is_bucket_uri(uri) or not bucket or ".." in PurePosixPath(name).parts or not uri.isprintable():
        raise StepError(f"{uri!r} is no address in a bucket.", remedy="Give gs://bucket/name.")
    return bucket, name


def list_files(uri: str) -> list[RemoteFile]:
    """Return all objects below a folder of a bucket, by name; none where there is no such folder."""
    bucket, name = split_uri(uri)
    prefix = name.rstrip("/") + "/" if name else ""
    with _explained(uri):
        blobs = list(_client().list_blobs(bucket, prefix=prefix, timeout=_TIMEOUT_S))
    return sorted((_remote_file(blob) for blob in blobs if not blob.name.endswith("/")), key=lambda file: file.uri)


def find_file(uri: str) -> RemoteFile | None:
    """Return one object, or None where it is not there."""
    bucket, name = split_uri(uri)
    with _explained(uri):
        blob = _client().bucket(bucket).get_blob(name, timeout=_TIMEOUT_S)
    return _remote_file(blob) if blob is not None else None


def read_bytes(uri: str, *, start: int | None = None, end: int | None = None, generation: int | None = None) -> bytes:
    """Return an object's bytes, or those from `start` up to and not including `end`, of a known generation if given."""
    with _explained(uri):
        data: bytes = _blob(uri, generation=generation).download_as_bytes(
            start=start, end=None if end is None else end - 1, timeout=_TIMEOUT_S
        )
    return data


def fetch_file(uri: str, path: Path, *, generation: int | None = None) -> None:
    """Copy an object to a file, all or nothing, checksum compared."""
    with replacing(path) as temporary, _explained(uri):
        _blob(uri, generation=generation).download_to_filename(str(temporary), timeout=_TIMEOUT_S)


def fetch_folder(uri: str, folder: Path) -> list[RemoteFile]:
    """Copy all objects below a folder of a bucket into `folder`; return what was copied."""
    files = list_files(uri)
    for file in files:
        fetch_file(file.uri, folder / file.uri.removeprefix(uri.rstrip("/") + "/"), generation=file.generation)
    return files


def write_bytes(uri: str, data: bytes, *, replaces: int = 0) -> RemoteFile:
    """Create an object, or replace the one of a known generation; the upload is checksummed.

    Args:
        uri: Where.
        data: Its bytes.
        replaces: The generation that it replaces; 0 where there must be none yet.

    Raises:
        AlreadyThereError: If another object is there.
    """
    return _uploaded(uri, replaces, lambda blob, options: blob.upload_from_string(data, **options))


def upload_file(path: Path, uri: str, *, replaces: int = 0) -> RemoteFile:
    """Create an object from a file, like `write_bytes`."""
    return _uploaded(uri, replaces, lambda blob, options: blob.upload_from_filename(str(path), **options))


def remove_file(uri: str, *, generation: int) -> None:
    """Remove an object of a known generation; one that is gone already is no error."""
    from google.api_core.exceptions import NotFound, PreconditionFailed

    try:
        with _explained(uri, unless=(NotFound, PreconditionFailed)):
            _blob(uri).delete(if_generation_match=generation, timeout=_TIMEOUT_S)
    except NotFound:
        return
    except PreconditionFailed as error:
        raise AlreadyThereError(uri) from error


def _uploaded(uri: str, replaces: int, upload: Any) -> RemoteFile:
    from google.api_core.exceptions import PreconditionFailed

    blob = _blob(uri)
    try:
        with _explained(uri, unless=(PreconditionFailed,)):
            upload(blob, {"if_generation_match": replaces, "checksum": "crc32c", "timeout": _TIMEOUT_S})
    except PreconditionFailed as error:
        raise AlreadyThereError(uri) from error
    return _remote_file(blob)


def _remote_file(blob: Any) -> RemoteFile:
    return RemoteFile(
        uri=f"{SCHEME}{blob.bucket.name}/{blob.name}",
        bytes=int(blob.size),
        generation=int(blob.generation),
        crc32c=blob.crc32c or "",
    )


def _blob(uri: str, *, generation: int | None = None) -> Any:
    bucket, name = split_uri(uri)
    if not name:
        raise StepError(f"{uri!r} names a bucket and no object in it.", remedy="Give gs://bucket/name.")
    return _client().bucket(bucket).blob(name, generation=generation)


def _client() -> Any:
    # by process and by emulator: a client must not cross a fork, and tests start servers of their own
    return _client_of(os.getpid(), os.environ.get(_EMULATOR_VARIABLE))


@cache
def _client_of(process: int, emulator: str | None) -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud import storage

    if emulator:
        nobody = AnonymousCredentials()  # type: ignore[no-untyped-call, unused-ignore] # google-auth is untyped here
        return storage.Client(project="emulated", credentials=nobody)
    try:
        return storage.Client()
    except (DefaultCredentialsError, OSError) as error:
        raise StepError(
            f"There are no credentials for Google Cloud Storage ({error}).",
            remedy="Run `gcloud auth application-default login`, or give the step's service account the rights.",
        ) from error


@contextmanager
def _explained(uri: str, unless: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn what the storage's client raises into an error that says what to do."""
    import requests
    from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound, Unauthorized
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except unless:
        raise
    except NotFound as error:
        raise StepError(f"{uri} is not there (404).", remedy="Check the bucket's name and the path.") from error
    except (Forbidden, Unauthorized, GoogleAuthError) as error:
        raise StepError(
            f"{uri} may not be used with these credentials ({type(error).__name__}).",
            remedy="Give the account that runs this the rights to the bucket.",
        ) from error
    except (GoogleAPIError, requests.RequestException) as error:
        raise StepError(
            f"{uri} cannot be reached ({type(error).__name__}).", remedy="Check the network and try again."
        ) from error
