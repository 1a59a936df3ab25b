"""Writing shards: their videos decoded side by side, their records in order, each file whole or not at all."""

import json
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from components.contract.clip_record import ClipRecord, encoded, framed
from components.contract.clips import ClipRow, Reject, Shard
from components.contract.videos import Video
from components.extract_frames.clip import Clip
from components.extract_frames.clip_store import ClipStore
from components.extract_frames.destination import landing, local_copy
from components.extract_frames.disk import disk_faults_named
from components.extract_frames.messages import WorkerSettings
from components.extract_frames.shards import ShardPlan
from components.extract_frames.worker_pool import VideoRejectedError, WorkerPool, close_pools, pool_of_this_process

_WAITING_PER_WORKER = 2

Outcome = tuple[Video, list[Clip] | Reject]


@dataclass(frozen=True)
class ShardWriting:
    """How and where shards are written, wherever the engine does it.

    Attributes:
        destination: A folder, or gs://.
        labels: Class names in the order of their indices.
        settings: What decoding processes are told.
        n_workers: Decoding processes per process of the engine.
        shard_bytes: A shard that would grow beyond this goes on in another file.
        store: Clips that were extracted before.
    """

    destination: str
    labels: tuple[str, ...]
    settings: WorkerSettings
    n_workers: int
    shard_bytes: int
    store: ClipStore | None


@dataclass(frozen=True)
class Written:
    """What became of the videos of a plan.

    Attributes:
        shards: The files, in the order of their records.
        rows: One per clip, in the same order.
        rejects: Videos that gave no clip.
    """

    shards: tuple[Shard, ...]
    rows: tuple[ClipRow, ...]
    rejects: tuple[Reject, ...]

    def to_json(self) -> str:
        """As one line."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Written":
        """From that line."""
        stored = json.loads(text)
        return cls(
            shards=tuple(Shard(**shard) for shard in stored["shards"]),
            rows=tuple(ClipRow(**row) for row in stored["rows"]),
            rejects=tuple(Reject(**reject) for reject in stored["rejects"]),
        )


def write_shards(plan: ShardPlan, *, writing: ShardWriting, done: Callable[[], None] = lambda: None) -> Written:
    """Write the shards of a plan; a plan whose videos give no clips has none.

    No more clips are in memory than workers can soon take.

    Args:
        plan: The videos.
        writing: How and where.
        done: Called once per video.

    Raises:
        StepError: If a shard cannot be written.
    """
    rejects: list[Reject] = []
    with (
        disk_faults_named(Path(writing.destination)),
        closing(_outcomes(plan, writing=writing)) as outcomes,
        ShardFiles(plan, writing) as files,
    ):
        for video, outcome in outcomes:
            if isinstance(outcome, Reject):
                rejects.append(outcome)
            else:
                for index, clip in enumerate(outcome):
                    files.add(video, clip, index)
            done()
    return Written(shards=tuple(files.shards), rows=tuple(files.rows), rejects=tuple(rejects))


class ShardFiles:
    """The files of a plan, the next where one would grow too large; an error leaves the open one unwritten."""

    def __init__(self, plan: ShardPlan, writing: ShardWriting) -> None:
        self._plan, self._writing = plan, writing
        self._open, self._n_bytes = ExitStack(), 0
        self._file: BinaryIO | None = None
        self.shards: list[Shard] = []
        self.rows: list[ClipRow] = []

    def __enter__(self) -> "ShardFiles":
        return self

    def __exit__(self, *error: object) -> None:
        self._open.__exit__(*error)  # type: ignore[arg-type] # what `with` gave

    def add(self, video: Video, clip: Clip, clip_index: int) -> None:
        """Append a clip's record, in a new file where the open one would grow too large."""
        label_index = self._writing.labels.index(video.label)
        record = framed(_encoded(video, clip, clip_index=clip_index, label_index=label_index))
        if self._file is None or self._n_bytes + len(record) > self._writing.shard_bytes:
            self._next()
        assert self._file is not None
        self._file.write(record)
        self._n_bytes += len(record)
        shard = self.shards[-1]
        self.rows.append(
            ClipRow(
                video=video.name,
                clip_index=clip_index,
                label=video.label,
                label_index=label_index,
                group=video.group,
                split=video.split,
                shard=shard.name,
                position=shard.n_clips,
                source=video.source,
                **asdict(clip.facts),
            )
        )
        self.shards[-1] = replace(shard, n_clips=shard.n_clips + 1)

    def _next(self) -> None:
        self._open.close()
        name = self._plan.file_name(len(self.shards))
        path = self._open.enter_context(landing(self._writing.destination, name))
        self._file, self._n_bytes = self._open.enter_context(path.open("wb")), 0
        self.shards.append(Shard(name=name, split=self._plan.split, n_clips=0))


def _encoded(video: Video, clip: Clip, *, clip_index: int, label_index: int) -> bytes:
    return encoded(
        ClipRecord(
            frames=clip.frames,
            label_index=label_index,
            label=video.label,
            group=video.group,
            split=video.split,
            video=video.name,
            video_digest=clip.facts.video_digest,
            clip_index=clip_index,
            timestamps_s=clip.timestamps_s,
        )
    )


def _outcomes(plan: ShardPlan, *, writing: ShardWriting) -> Generator[Outcome, None, None]:
    """Yield the outcome of each video, in order, whoever finishes first."""
    pool = pool_of_this_process(writing.settings, n_workers=writing.n_workers)
    extract = partial(_outcome, pool=pool, store=writing.store)
    waiting: deque[Future[Outcome]] = deque()
    threads = ThreadPoolExecutor(writing.n_workers)
    is_complete = False
    try:
        for video in plan.videos:
            waiting.append(threads.submit(extract, video))
            if len(waiting) > writing.n_workers * _WAITING_PER_WORKER:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        is_complete = True
    finally:
        if not is_complete:
            close_pools()  # or a thread would wait for the video that its worker is at
        threads.shutdown(cancel_futures=True)


def _outcome(video: Video, *, pool: WorkerPool, store: ClipStore | None) -> Outcome:
    clips = store.find(video.sha256) if store else None
    if clips is not None:
        return video, clips
    try:
        with local_copy(video.uri) as path:
            clips = pool.extract(path, digest=video.sha256)
    except FileNotFoundError:
        return video, _reject(video, VideoRejectedError("missing", f"{video.uri} is not there."))
    except VideoRejectedError as fault:
        return video, _reject(video, fault)
    if store:
        store.keep(video.sha256, clips)
    return video, clips


def _reject(video: Video, fault: VideoRejectedError) -> Reject:
    return Reject(
        video=video.name,
        uri=video.uri,
        label=video.label,
        split=video.split,
        reason=fault.reason,
        detail=fault.detail,
    )


def all_written(texts: Sequence[str]) -> Written:
    """Return what became of all videos, from what was written of each plan."""
    parts = [Written.from_json(text) for text in texts]
    return Written(
        shards=tuple(shard for part in parts for shard in part.shards),
        rows=tuple(row for part in parts for row in part.rows),
        rejects=tuple(reject for part in parts for reject in part.rejects),
    )
