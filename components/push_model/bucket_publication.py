"""Publishing a version to a bucket, which has no rename: one object after the other, and the one that counts last.

1. `<name>.accepted/claims/<version>` claims the number: an object is created exactly once.
2. `<name>/<version>/…` the model's files, each created once and checksummed, `saved_model.pb` after all others:
   without it no server takes a folder for a model.
3. `<name>.accepted/<version>/…` statistics and record, the finished marker last: from then on the version is complete.

The config that servers follow names the version after all of this (`ServingDirectory.serve`). A push that dies leaves
either a complete version, which the next push lets be served, or a partial one that no config ever names; its number
is not used again, and its objects are removed by a push a day later.
"""

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from components.contract import buckets
from components.contract.accepted import STATISTICS_FOLDER, Accepted, finish_accepted
from components.contract.errors import StepError
from components.contract.files import sha256_of_file
from components.contract.finished import MARKER_NAME
from components.contract.model import SAVED_MODEL_NAME
from components.push_model.saved_files import GRAPH_NAME, saved_files
from components.serving.directory import CLAIMS, ServingDirectory, numbers

_ABANDONED_AFTER = timedelta(days=1)


def publish(model: Path, *, statistics: Path, directory: ServingDirectory, accepted: Callable[[int], Accepted]) -> int:
    """Publish the SavedModel of a finished model folder as the next version and return its number.

    Args:
        model: A finished model folder.
        statistics: A finished folder of statistics; copied beside the record.
        directory: Lies in a bucket.
        accepted: Gives the record of a version when its number is known.

    Raises:
        StepError: If a file changed since it was trained, or if something else writes to that place.
    """
    version = _claimed_version(directory)
    names = sorted(saved_files(model).items(), key=lambda file: (file[0] == GRAPH_NAME, file[0]))
    for name, sha256 in names:
        path = model / SAVED_MODEL_NAME / name
        if sha256_of_file(path) != sha256:
            raise StepError(f"{path} changed after the training.", remedy="Run train_model again.")
        _upload(path, f"{directory.models.uri}/{version}/{name}")
    with tempfile.TemporaryDirectory() as temporary:
        finish_accepted(Path(temporary), accepted(version))
        record = [(path, path.name) for path in sorted(Path(temporary).iterdir())]
        beside = [path for path in sorted(statistics.rglob("*")) if path.is_file()]
        record += [(path, f"{STATISTICS_FOLDER}/{path.relative_to(statistics)}") for path in beside]
        for path, name in sorted(record, key=lambda file: (file[1] == MARKER_NAME, file[1])):
            _upload(path, f"{directory.records.uri}/{version}/{name}")
    return version


def remove_abandoned(directory: ServingDirectory) -> None:
    """Remove what pushes left that died more than a day ago; their claims stay."""
    complete = directory.complete_versions()
    present = {*numbers(directory.models.children()), *numbers(directory.records.children())}
    for version in sorted(present - set(complete)):
        claim = directory.records.read(f"{CLAIMS}/{version}")
        if claim is None or _age(claim) < _ABANDONED_AFTER:
            continue  # not ours, or still at work
        for place in (directory.records, directory.models):
            for file in buckets.list_files(f"{place.uri}/{version}"):
                buckets.remove_file(file.uri, generation=file.generation)
        print(f"What an interrupted push left of version {version} is removed.")


def _claimed_version(directory: ServingDirectory) -> int:
    while True:
        version = directory.next_version()
        claim = {"claimed_at": datetime.now(UTC).isoformat(timespec="milliseconds")}
        if directory.records.create(f"{CLAIMS}/{version}", json.dumps(claim).encode()):
            return version


def _upload(path: Path, uri: str) -> None:
    try:
        uploaded = buckets.upload_file(path, uri)
    except buckets.AlreadyThereError as error:
        raise StepError(
            f"{uri} appeared while it was about to be published; nothing was overwritten.",
            remedy="Something else writes to that place. Push again: the next number is taken.",
        ) from error
    if uploaded.bytes != path.stat().st_size:
        raise StepError(f"{uri} has {uploaded.bytes} bytes, not those of {path}.", remedy="Push again.")


def _age(claim: bytes) -> timedelta:
    try:
        return datetime.now(UTC) - datetime.fromisoformat(json.loads(claim)["claimed_at"])
    except (ValueError, KeyError, TypeError):
        return timedelta(0)
