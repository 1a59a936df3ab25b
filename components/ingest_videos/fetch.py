"""Fetching an archive's members into the store, several at a time."""

import time
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from components.contract.errors import StepError
from components.contract.progress import Progress, say
from components.ingest_videos.archive import Archive, CorruptError
from components.ingest_videos.listing import Fetched, Located
from components.ingest_videos.ranges import NETWORK_FAULTS, UnreachableError
from components.ingest_videos.store import MemberKey, VideoStore, Writing

_WAITS_S = (0.25, 1.0)  # before the second and the third try

_Result = TypeVar("_Result")


def persistently(work: Callable[[], _Result], *, what: str) -> _Result:
    """Do `work`, again after a wait when the network fails it.

    Args:
        work: Starts from scratch each time it is called.
        what: Names it in the error.

    Raises:
        StepError: When the last try failed too.
    """
    for wait_s in (*_WAITS_S, None):
        try:
            return work()
        except (UnreachableError, *NETWORK_FAULTS) as error:
            reason = str(error) if isinstance(error, UnreachableError) else type(error).__name__
        if wait_s is not None:
            time.sleep(wait_s)
    raise StepError(
        f"{what} could not be fetched in {len(_WAITS_S) + 1} tries ({reason}).",
        remedy="Run again when the server answers: what was fetched is kept.",
    )


def fetch_members(
    archive: Archive, members: Mapping[str, zipfile.ZipInfo], *, store: VideoStore, workers: int
) -> Fetched:
    """Bring members into the store, but for those that it has.

    Args:
        archive: Where they are.
        members: By name of the candidate.
        store: Where they go.
        workers: How many are fetched at a time.
    """
    known = store.known()
    keys = {name: _key(info) for name, info in members.items()}
    fetched = Fetched(located={name: known[key] for name, key in keys.items() if key in known})
    fetched.n_reused = len(fetched.located)
    missing = {name: info for name, info in members.items() if name not in fetched.located}
    if fetched.n_reused:
        say(f"{fetched.n_reused} of {len(members)} videos are in the store already")
    if missing:
        _fetch_missing(archive, missing, store=store, workers=workers, fetched=fetched)
    return fetched


def _fetch_missing(
    archive: Archive, missing: Mapping[str, zipfile.ZipInfo], *, store: VideoStore, workers: int, fetched: Fetched
) -> None:
    progress = Progress("videos", total=len(missing))
    n_bytes = 0
    in_file_order = sorted(missing, key=lambda name: missing[name].header_offset)
    with store.writing() as writing:
        pool = ThreadPoolExecutor(workers)
        try:
            futures = {pool.submit(_fetch_one, archive, missing[name], writing): name for name in in_file_order}
            for future in as_completed(futures):
                name = futures.pop(future)
                try:
                    located = future.result()
                except CorruptError as corrupt:
                    fetched.rejected[name] = str(corrupt)
                else:
                    writing.note(_key(missing[name]), located)
                    fetched.located[name] = located
                    fetched.n_fetched += 1
                    n_bytes += located.bytes
                progress.add(detail=f"{n_bytes / 1e6:.1f} MB")
        finally:
            # After an error, or when told to end: what has not begun does not begin.
            pool.shutdown(wait=True, cancel_futures=True)


def _fetch_one(archive: Archive, info: zipfile.ZipInfo, writing: Writing) -> Located:
    def copied() -> Located:
        with archive.reading(info) as content:
            return writing.add(_key(info), content)

    return persistently(copied, what=info.filename)


def _key(info: zipfile.ZipInfo) -> MemberKey:
    return MemberKey(name=info.filename, bytes=info.file_size, crc32=info.CRC)
