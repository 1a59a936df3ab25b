"""Writing one shard: its videos decoded side by side, its records in order, the file whole or not at all."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from components.contract.clip_record import framed
from components.contract.clips import ClipRow, Reject
from components.contract.files import replacing
from components.extract_frames.clip import Clip, Extraction, extract_clip
from components.extract_frames.disk import disk_faults_named
from components.extract_frames.shards import ShardPlan

_WAITING_PER_WORKER = 2


def write_shard(plan: ShardPlan, *, folder: Path, extraction: Extraction, workers: int) -> Iterator[ClipRow | Reject]:
    """Write one shard and yield what became of each of its videos; a shard without clips is not written.

    Decoding releases the interpreter lock, so threads use all cores. No more clips are in memory than workers can
    soon take.

    Raises:
        StepError: If the shard cannot be written.
    """
    n_clips = 0
    path = folder / plan.name
    with (
        disk_faults_named(folder),
        closing(_extracted(plan, extraction=extraction, workers=workers)) as outcomes,
        replacing(path) as temporary,
        temporary.open("wb") as file,
    ):
        for outcome in outcomes:
            if isinstance(outcome, Reject):
                yield outcome
                continue
            file.write(framed(outcome.record))
            yield replace(outcome.row, position=n_clips)
            n_clips += 1
    if n_clips == 0:
        path.unlink()


def _extracted(plan: ShardPlan, *, extraction: Extraction, workers: int) -> Generator[Clip | Reject, None, None]:
    """Yield the outcome of each video, in order, whoever finishes first."""
    extract = partial(extract_clip, extraction=extraction, shard=plan.name)
    waiting: deque[Future[Clip | Reject]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for video in plan.videos:
            waiting.append(pool.submit(extract, video))
            if len(waiting) > workers * _WAITING_PER_WORKER:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
