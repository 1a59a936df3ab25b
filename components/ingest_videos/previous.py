"""What earlier ingests of a source left in the store: the splits of its groups, and which videos it had.

<store_dir>/splits/<digest of source and split parameters>.json    split by group; rows are added and never change
<store_dir>/listings/<digest of source>.json                       checksum and class by name of video
"""

import fcntl
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contract.buckets import fetch_folder, is_bucket_uri
from components.contract.errors import StepError
from components.contract.files import sha256_of_json, write_json
from components.contract.videos import SPLITS, Split, Video, read_manifest
from components.ingest_videos.addresses import scheme_of, shown


@dataclass(frozen=True)
class Differences:
    """How a source differs from its last ingest, among the classes that are asked for.

    Attributes:
        first: Whether this is its first ingest into the store.
        new: Names of videos that the last ingest did not take.
        changed: Names whose bytes are others now.
        removed: Names that the source no longer lists.
    """

    first: bool
    new: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


class Previous:
    """The memory of one source in a store.

    Args:
        store_dir: The store.
        source: Its address or path; what it is signed with does not matter.
        split_parameters: All that says how groups are made and split: other values start anew.
    """

    def __init__(self, store_dir: str, *, source: str, split_parameters: Mapping[str, Any]) -> None:
        root = Path(store_dir).absolute()
        address = shown(source) if scheme_of(source) else str(Path(source).absolute())
        key = {"source": address, **split_parameters}
        self._splits = root / "splits" / f"{sha256_of_json(key)}.json"
        self._listing = root / "listings" / f"{sha256_of_json(address)}.json"

    def assign(self, assign: Callable[[Mapping[str, Split]], dict[str, Split]]) -> dict[str, Split]:
        """Let `assign` make splits from those assigned before, and keep them; two ingests take turns."""
        with _locked(self._splits):
            stored = _splits_in(_read(self._splits))
            splits = assign(stored)
            _write(self._splits, splits | stored)
        return splits

    def compare(self, videos: Iterable[Video], *, listed: Iterable[str], labels: Sequence[str]) -> Differences:
        """Say what is new, changed and removed since the last ingest, and remember these videos for the next.

        Args:
            videos: What this ingest took.
            listed: Names of all videos that the source has of these classes, taken or not.
            labels: The classes; what is known of others stays.
        """
        with _locked(self._listing):
            known = {
                name: (str(row["label"]), str(row["sha256"]))
                for name, row in _read(self._listing).items()
                if isinstance(row, dict) and row.keys() >= {"label", "sha256"}
            }
            here, asked = set(listed), set(labels)
            removed = {name for name, (label, _) in known.items() if label in asked and name not in here}
            now = {video.name: (video.label, video.sha256) for video in videos}
            kept = {name: row for name, row in known.items() if name not in removed} | now
            _write(self._listing, {name: {"label": label, "sha256": sha256} for name, (label, sha256) in kept.items()})
        return Differences(
            first=not known,
            new=tuple(sorted(now.keys() - known.keys())),
            changed=tuple(sorted(name for name in now.keys() & known.keys() if now[name][1] != known[name][1])),
            removed=tuple(sorted(removed)),
        )


def splits_of_manifest(where: str, *, scratch: Path) -> dict[str, Split]:
    """Return the split of every group of an earlier manifest.

    Args:
        where: Its folder, local or gs://.
        scratch: An empty folder that one from a bucket may be copied to.

    Raises:
        StepError: If it is none, or damaged.
    """
    if is_bucket_uri(where):
        fetch_folder(where, scratch)
    elif scheme_of(where):
        raise StepError(f"{shown(where)} is no manifest's folder.", remedy="Give a local folder or gs://….")
    folder = scratch if is_bucket_uri(where) else Path(where)
    return {video.group: video.split for video in read_manifest(folder).videos}


def _splits_in(stored: Mapping[str, Any]) -> dict[str, Split]:
    return {group: split for group, split in stored.items() if split in SPLITS}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = (path.parent / "lock").open("w")
    except OSError as error:
        raise _unwritable(path, error) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        stored = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StepError(
            f"{path} cannot be read ({error}).", remedy="Remove it: its source is then split as if it were new."
        ) from None
    return stored if isinstance(stored, dict) else {}


def _write(path: Path, value: Mapping[str, Any]) -> None:
    try:
        write_json(path, dict(value))
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> StepError:
    return StepError(
        f"The store cannot be written: {path.parent}: {error.strerror}.",
        remedy="Free space on its disk, or give another store.",
    )
