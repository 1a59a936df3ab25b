"""A step of a cluster's run again, on this machine: its recorded inputs come from the pipeline root into the store."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components.contract.code_digest import step_code_digest
from components.contract.errors import StepError
from components.contract.files import emptied, write_bytes
from components.contract.finished import MARKER_NAME, read_finished
from components.contract.videos import KIND as VIDEOS_KIND
from components.contract.videos import read_manifest
from pipelines.cluster.object_storage import fetch_file, list_files, read_bytes
from pipelines.cluster.recorded_steps import RecordedStep
from pipelines.local_run import local_parameters
from pipelines.workspace import Workspace

FETCHED_FOLDER = "artifacts"


def refuse_other_code(recorded: Mapping[str, Any]) -> None:
    """Refuse a record that other code wrote: the outputs would differ for that reason.

    Raises:
        StepError: If the step's code is not what is here.
    """
    step = recorded["step"]
    if recorded["code_digest"] != step_code_digest(step):
        raise StepError(
            f"{step} ran with other code (Reelflow {recorded.get('reelflow', '?')}, {recorded['code_digest'][:12]}) "
            f"than is here ({step_code_digest(step)[:12]}).",
            remedy="Check out the version that the run used, use its image with --docker, or take the code that is "
            "here with --any-code.",
        )


def parameters_here(recorded: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
    """Return the recorded parameters; folders on the cluster's claim become the workspace's."""
    ours = local_parameters(workspace, {})
    on_claim = {name for name, value in recorded["parameters"].items() if name in ours and "://" not in str(value)}
    return {**recorded["parameters"], **{name: ours[name] for name in on_claim}}


def fetch_inputs(found: RecordedStep, store: Path) -> dict[str, str]:
    """Bring a step's recorded inputs into the store, and return their paths by name.

    What is in the store already is not fetched again.

    Raises:
        StepError: If an input is gone, cut, changed since, or the storage refuses.
    """
    return {
        name: str(fetch_artifact(entry["uri"], digest=entry["digest"], store=store))
        for name, entry in sorted(found.record["inputs"].items())
    }


def fetch_artifact(uri: str, *, digest: str | None, store: Path) -> Path:
    """Bring an artifact into the store, all or nothing, and return its path.

    Args:
        uri: Its address.
        digest: Its recorded digest; None where it has no finished marker, so that nothing can be compared.
        store: Folder of the store; artifacts are below it by their address and digest.

    Raises:
        StepError: If it is gone, cut, not what was recorded, or the storage refuses.
    """
    name = hashlib.sha256(f"{uri}\n{digest}".encode()).hexdigest()
    folder = store / FETCHED_FOLDER / name[:2] / name
    if digest and _is_whole(folder, digest):
        return folder
    partial = emptied(folder.with_name(f".{name}.{os.getpid()}.part"))
    try:
        _fetch_finished(uri, partial, digest) if digest else _fetch_all(uri, partial)
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder if digest or not (folder / _ALONE).is_file() else folder / _ALONE


_ALONE = "file"


def _fetch_finished(uri: str, folder: Path, digest: str) -> None:
    marker = read_bytes(f"{uri}/{MARKER_NAME}")
    for name in _listed_in(marker, uri):
        fetch_file(f"{uri}/{name}", folder / name)
    write_bytes(folder / MARKER_NAME, marker)
    kind = json.loads(marker)["kind"]
    read_finished(folder, kind=kind, digest=digest)
    if kind == VIDEOS_KIND:
        _refuse_absent_videos(folder)


def _fetch_all(uri: str, folder: Path) -> None:
    files = list_files(uri)
    for file in files:
        fetch_file(file, folder / file.removeprefix(f"{uri.rstrip('/')}/"))
    if not files:
        fetch_file(uri, folder / _ALONE)


def _listed_in(marker: bytes, uri: str) -> list[str]:
    """Return the files that a finished marker lists; it came from a bucket, so its names may be anything."""
    try:
        names = sorted(json.loads(marker)["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise StepError(
            f"{uri}/{MARKER_NAME} cannot be read ({error}).", remedy="Run the step that wrote it."
        ) from error
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not name.isprintable():
            raise StepError(f"{uri} lists {name!r}, which is no file in it.", remedy="Something else wrote it.")
    return names


def _is_whole(folder: Path, digest: str) -> bool:
    try:
        kind = json.loads((folder / MARKER_NAME).read_text())["kind"]
        read_finished(folder, kind=kind, digest=digest)
    except (OSError, ValueError, KeyError, TypeError, StepError):
        return False
    return True


def _refuse_absent_videos(folder: Path) -> None:
    """A manifest holds addresses; videos on the cluster's claim are nothing that this machine can read."""
    absent = [video.uri for video in read_manifest(folder).videos if _is_absent(video.uri)]
    if absent:
        raise StepError(
            f"{len(absent)} videos of the manifest are on the cluster and not on this machine, such as {absent[0]}.",
            remedy="Submit with store_dir=gs://bucket/store, whose videos both can read; or rerun a later step.",
        )


def _is_absent(uri: str) -> bool:
    return "://" not in uri and not Path(uri).is_file()
