"""Publishing a version on a file system, all or nothing: two renames, each of something whole.

Everything is first built in `<name>.accepted/staging/`, beside the serving directory and on its file system:

    staging/<version>/model     the SavedModel, its checksums verified, flushed to disk
    staging/<version>/record    the accepted record, finished

Then `model` is renamed to `<serving_dir>/<version>` and `record` to `<name>.accepted/<version>`. A push that dies
before the first rename leaves nothing but its staging folder; one that dies between the two leaves a served version
whose record waits, whole, in staging. The next push tidies both: it removes the one and finishes the other.

A version's number is claimed by creating `<name>.accepted/claims/<version>`, which stays for ever, so no number is
used twice. The claim is locked while its push lives: that is how the next push knows which ones died.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.contract.accepted import STATISTICS_FOLDER, Accepted, finish_accepted
from components.contract.errors import StepError
from components.contract.files import emptied, sha256_of_file
from components.contract.model import SAVED_MODEL_NAME
from components.push_model.saved_files import saved_files
from components.serving.directory import CLAIMS, ServingDirectory, numbers

_STAGING = "staging"
_MODEL = "model"
_RECORD = "record"


def publish(model: Path, *, statistics: Path, serving: Path, records: Path, accepted: Callable[[int], Accepted]) -> int:
    """Publish the SavedModel of a finished model folder as the next version and return its number.

    Args:
        model: A finished model folder.
        statistics: A finished folder of statistics; copied beside the record.
        serving: Folder that versions are served from.
        records: Folder of their records, on the same file system.
        accepted: Gives the record of a version when its number is known.
    """
    for folder in (serving, records / CLAIMS, records / _STAGING):
        folder.mkdir(parents=True, exist_ok=True)
    with _claimed_version(ServingDirectory(str(serving)), records) as version:
        staging = emptied(records / _STAGING / str(version))
        try:
            _stage_model(model, staging / _MODEL)
            _stage_record(staging / _RECORD, accepted=accepted(version), statistics=statistics)
            _flush(staging)
            _rename_once(staging / _MODEL, serving / str(version))
        finally:
            _finish_or_remove(records, version)
    return version


def finish_interrupted(records: Path) -> None:
    """Tidy up after pushes that died: write the record of a version that is published, remove what never was."""
    staging = records / _STAGING
    for version in numbers([path.name for path in staging.iterdir()] if staging.is_dir() else []):
        with _lock_if_dead(records / CLAIMS / str(version)) as dead:
            if dead and _finish_or_remove(records, version):
                print(f"The push of version {version} was interrupted; its record is now written.")


def _finish_or_remove(root: Path, version: int) -> bool:
    """Move the waiting record to its place if the model is in its own, and remove the rest; say whether it moved."""
    staging = root / _STAGING / str(version)
    waiting = staging / _RECORD
    # A record is staged only after its model: a record alone means that the model was renamed into place.
    is_published = waiting.is_dir() and not (staging / _MODEL).exists()
    if is_published:
        _rename_once(waiting, root / str(version))
    shutil.rmtree(staging, ignore_errors=True)
    return is_published


@contextmanager
def _claimed_version(directory: ServingDirectory, records: Path) -> Iterator[int]:
    """Claim the next number, above all that were ever claimed, served or recorded, and hold its lock."""
    while True:
        version = directory.next_version()
        try:
            claim = os.open(records / CLAIMS / str(version), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
            break
        except FileExistsError:
            continue  # another push took it between the look and the claim
    try:
        fcntl.flock(claim, fcntl.LOCK_EX)
        yield version
    finally:
        os.close(claim)


@contextmanager
def _lock_if_dead(claim: Path) -> Iterator[bool]:
    """Take the lock of a claim whose push has ended; give False where it lives."""
    with claim.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _stage_model(model: Path, staged: Path) -> None:
    shutil.copytree(model / SAVED_MODEL_NAME, staged)
    expected = saved_files(model)
    found = {str(path.relative_to(staged)): sha256_of_file(path) for path in staged.rglob("*") if path.is_file()}
    if found != expected:
        wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        raise StepError(
            f"The copy of the SavedModel is not what was trained; these files differ: {', '.join(wrong)}.",
            remedy="Nothing was published. Check the disk, then push again.",
        )


def _stage_record(folder: Path, *, accepted: Accepted, statistics: Path) -> None:
    shutil.copytree(statistics, folder / STATISTICS_FOLDER)
    finish_accepted(folder, accepted)


def _rename_once(source: Path, target: Path) -> None:
    """Rename a folder to a name that is not taken, and flush the name to disk."""
    if target.exists():
        raise _name_taken(target)
    try:
        os.rename(source, target)  # noqa: PTH104 - refuses a folder with anything in it, should one appear just now
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise _name_taken(target) from error
        if error.errno == errno.EXDEV:
            raise StepError(
                f"{target.parent} and {source.parent} are on two file systems, so a version cannot appear at once.",
                remedy="Mount the folder above the serving directory, not the serving directory itself.",
            ) from error
        raise
    _fsync(target.parent)


def _name_taken(target: Path) -> StepError:
    return StepError(
        f"{target} appeared while it was about to be published; nothing was overwritten.",
        remedy="Something else writes to that folder. Push again: the next number is taken.",
    )


def _flush(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        _fsync(path)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
