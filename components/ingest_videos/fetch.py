"""Fetching an archive's members into the store, several at a time."""

import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice

from components.contract.progress import say
from components.ingest_videos.archive import Archive
from components.ingest_videos.fetch_progress import FetchProgress
from components.ingest_videos.inflating import CorruptError
from components.ingest_videos.journal import key_of
from components.ingest_videos.listing import Fetched, Located
from components.ingest_videos.retrying import persistently
from components.ingest_videos.store import VideoStore, Writing

_QUEUED_PER_WORKER = 4


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
    keys = {name: key_of(info) for name, info in members.items()}
    known = store.known(set(keys.values()))
    unnoted = store.left_unnoted({key for key in keys.values() if key not in known})
    here = known | unnoted
    fetched = Fetched(located={name: here[key] for name, key in keys.items() if key in here})
    fetched.n_reused = len(fetched.located)
    missing = {name: info for name, info in members.items() if name not in fetched.located}
    if fetched.n_reused:
        say(f"{fetched.n_reused} of {len(members)} videos are in the store already")
    if missing or unnoted:
        with store.writing(n_bytes=sum(info.file_size for info in missing.values())) as writing:
            for key, located in unnoted.items():
                writing.note(key, located)
            if missing:
                _fetch_missing(archive, missing, writing=writing, workers=workers, fetched=fetched)
    return fetched


def _fetch_missing(
    archive: Archive, missing: Mapping[str, zipfile.ZipInfo], *, writing: Writing, workers: int, fetched: Fetched
) -> None:
    archive.bring_near(missing.values())
    progress = FetchProgress(n_bytes=sum(info.file_size for info in missing.values()), n_videos=len(missing))
    pool = ThreadPoolExecutor(workers)
    futures: dict[Future[Located], str] = {}
    in_file_order = iter(sorted(missing, key=lambda name: missing[name].header_offset))
    try:
        while True:
            for name in islice(in_file_order, workers * _QUEUED_PER_WORKER - len(futures)):
                futures[pool.submit(_fetch_one, archive, missing[name], writing, progress)] = name
            if not futures:
                break
            for future in wait(futures, return_when=FIRST_COMPLETED).done:
                name = futures.pop(future)
                try:
                    located = future.result()
                except CorruptError as corrupt:
                    fetched.rejected[name] = str(corrupt)
                else:
                    writing.note(key_of(missing[name]), located)
                    fetched.located[name] = located
                    fetched.n_fetched += 1
                progress.count(0, n_videos=1)
    finally:
        # After an error, or when told to end: what has not begun does not begin.
        pool.shutdown(wait=True, cancel_futures=True)
    archive.drop_copy()


def _fetch_one(archive: Archive, info: zipfile.ZipInfo, writing: Writing, progress: FetchProgress) -> Located:
    def copied(*, afresh: bool) -> Located:
        return writing.add(key_of(info), _counted(archive.content(info, afresh=afresh), progress))

    for afresh in (False, True):
        try:
            return persistently(partial(copied, afresh=afresh), what=info.filename)
        except CorruptError:
            if not archive.is_far:
                raise
    return persistently(partial(copied, afresh=True), what=info.filename)


def _counted(pieces: Iterator[bytes], progress: FetchProgress) -> Iterator[bytes]:
    for piece in pieces:
        progress.count(len(piece))
        yield piece
