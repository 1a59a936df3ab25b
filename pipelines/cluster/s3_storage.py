"""Files in S3 and in what speaks its protocol, read only: `s3://bucket/name`, and KFP's `minio://bucket/name`.

boto3 is loaded here and only when such an address is read. Where the storage is and who asks, the usual AWS_*
variables say; for a MinIO inside the cluster AWS_ENDPOINT_URL names the way to it.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from components.contract.errors import StepError
from components.contract.files import replacing

SCHEMES = ("s3://", "minio://")
_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # both read by boto3 itself
_REGION = "us-east-1"  # what MinIO answers to; S3 itself says where a bucket is
_CONNECT_S = 5
_READ_S = 60
_TRIES = 3


def list_files(uri: str) -> list[str]:
    """Return the addresses of all objects below a folder of a bucket, sorted; none where there is no such folder."""
    bucket, name = split_uri(uri)
    prefix = name.rstrip("/") + "/" if name else ""
    root = uri.partition("://")[0] + f"://{bucket}/"
    with _explained(uri):
        pages = _client_for(uri).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return sorted(root + key for key in keys if not key.endswith("/"))


def read_bytes(uri: str) -> bytes:
    """Return an object's bytes."""
    bucket, name = split_uri(uri)
    with _explained(uri):
        data: bytes = _client_for(uri).get_object(Bucket=bucket, Key=name)["Body"].read()
    return data


def fetch_file(uri: str, path: Path) -> None:
    """Copy an object to a file, all or nothing."""
    bucket, name = split_uri(uri)
    with replacing(path) as temporary, _explained(uri), temporary.open("wb") as file:
        shutil.copyfileobj(_client_for(uri).get_object(Bucket=bucket, Key=name)["Body"], file)


def split_uri(uri: str) -> tuple[str, str]:
    """Return (bucket, name); the name is empty for the bucket itself.

    Raises:
        StepError: If it is no such address, or if its name climbs or holds control characters.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, name = rest.partition("/")
    if f"{scheme}://" not in SCHEMES or not bucket or ".." in PurePosixPath(name).parts or not uri.isprintable():
        raise StepError(f"{uri!r} is no address in a bucket.", remedy="Give s3://bucket/name or minio://bucket/name.")
    return bucket, name


def _client_for(uri: str) -> Any:
    endpoint = next((os.environ[name] for name in _ENDPOINT_VARIABLES if os.environ.get(name)), "")
    if uri.startswith("minio://") and not endpoint:
        raise StepError(
            f"{uri} is in a MinIO, and nothing says where that is.",
            remedy="kubectl -n kubeflow port-forward svc/minio-service 9000:9000, then set "
            "AWS_ENDPOINT_URL=http://localhost:9000, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "(kubectl -n kubeflow get secret mlpipeline-minio-artifact -o yaml).",
        )
    return _client_of(os.getpid(), endpoint)  # by process and by server, since a client must not cross a fork


@cache
def _client_of(process: int, endpoint: str) -> Any:
    import boto3
    from botocore.config import Config

    session = boto3.session.Session()
    # a server of one's own has no host name per bucket
    style = {"addressing_style": "path"} if endpoint else {}
    config = Config(connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries={"total_max_attempts": _TRIES}, s3=style)
    return session.client("s3", region_name=session.region_name or _REGION, config=config)


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turn what boto3 raises into an error that says what to do."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        raise _refusal(uri, status=status, code=str(code)) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StepError(
            f"There are no credentials for {uri}.",
            remedy="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
        ) from error
    except (BotoCoreError, OSError, ValueError) as error:  # ValueError: an endpoint that is no address
        raise StepError(
            f"{uri} cannot be reached ({type(error).__name__}).",
            remedy="Check the network and AWS_ENDPOINT_URL, and try again.",
        ) from error


def _refusal(uri: str, *, status: int, code: str) -> StepError:
    if status == 404:
        return StepError(f"{uri} is not there (404 {code}).", remedy="Check the bucket's name and the path.")
    if status in (401, 403):
        return StepError(
            f"{uri} may not be used with these credentials ({status} {code}).",
            remedy="Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the rights to the bucket.",
        )
    return StepError(f"{uri} cannot be read ({status} {code}).", remedy="Try again later.")
