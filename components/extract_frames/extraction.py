"""The whole extraction: every video of the manifest becomes clips or a reject, and the two add up."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.contract.buckets import fetch_folder, is_bucket_uri
from components.contract.clips import ClipGeometry, Shard, finish_clips, finish_rejects
from components.contract.code_digest import step_code_digest
from components.contract.errors import StepError
from components.contract.files import emptied
from components.contract.videos import SPLITS, Video, read_manifest
from components.extract_frames.accounts import check_all_accounted, check_enough, counts_of
from components.extract_frames.clip import Extraction
from components.extract_frames.clip_store import clip_store, trim
from components.extract_frames.destination import remove_all
from components.extract_frames.disk import disk_faults_named
from components.extract_frames.engine import IN_PROCESS, Engine, checked_engine, checked_flags
from components.extract_frames.messages import WorkerSettings
from components.extract_frames.shard_writing import ShardWriting, Written
from components.extract_frames.shards import ShardPlan, planned_shards
from components.video.preparation import Preparation, as_stored, checked_geometry, checked_preparation

_MIB = 1 << 20


@dataclass(frozen=True)
class Parameters:
    """What a person chooses of an extraction; the step's docstring says what each means."""

    n_frames: int
    frame_height: int
    frame_width: int
    sampling: str
    frame_step: int
    target_fps: float
    clips_per_video: int
    resize: str
    jpeg_quality: int
    max_rejected_fraction: float
    workers: int
    video_time_limit_s: float
    video_memory_mib: int
    shard_mib: int
    beam_runner: str
    beam_options: str


@dataclass(frozen=True)
class Extracted:
    """What an extraction left.

    Attributes:
        digest: Content digest of the clips.
        counts: Videos, clips and rejects, per split and per reason.
    """

    digest: str
    counts: dict[str, float]


def extract(
    videos_folder: Path,
    videos_digest: str,
    *,
    clips_folder: Path,
    clips_uri: str,
    rejects_folder: Path,
    store_dir: str,
    parameters: Parameters,
) -> Extracted:
    """Write the clips of all videos, their table and the rejects.

    Args:
        videos_folder: The manifest's folder.
        videos_digest: Content digest that the manifest must have.
        clips_folder: Takes shards and clip table.
        clips_uri: The same, as the workers of a distributed engine reach it.
        rejects_folder: Takes the rejects.
        store_dir: Keeps clips between runs; "" keeps none.
        parameters: The rest.

    Raises:
        StepError: If a parameter or the manifest is wrong, too few videos gave a clip, or the disk refuses.
    """
    _check_numbers(parameters)
    engine, flags = checked_engine(parameters.beam_runner), checked_flags(parameters.beam_options)
    geometry, preparation = _geometry(parameters), _preparation(parameters)
    extraction = Extraction(geometry, preparation, parameters.jpeg_quality)
    store = clip_store(store_dir, extraction=extraction, code_digest=step_code_digest("extract_frames"))
    manifest = read_manifest(videos_folder, digest=videos_digest)
    _check_reachable(manifest.videos)
    writing = ShardWriting(
        destination=clips_uri if engine != IN_PROCESS and is_bucket_uri(clips_uri) else str(clips_folder.absolute()),
        labels=manifest.labels,
        settings=WorkerSettings(extraction, parameters.video_time_limit_s, parameters.video_memory_mib * _MIB),
        n_workers=parameters.workers or available_cpus(),
        shard_bytes=parameters.shard_mib * _MIB,
        store=store,
    )
    plans = planned_shards(
        manifest.videos,
        geometry=geometry,
        clips_per_video=preparation.clips_per_video,
        target_bytes=writing.shard_bytes,
    )
    with disk_faults_named(clips_folder):
        emptied(clips_folder)
        emptied(rejects_folder)
        written = _written(plans, writing=writing, folder=clips_folder, engine=engine, flags=flags)
        if store:
            trim(store)
        check_all_accounted(manifest.videos, rows=written.rows, rejects=written.rejects)
        finish_rejects(rejects_folder, rejects=written.rejects)
        check_enough(manifest.videos, rejects=written.rejects, max_rejected_fraction=parameters.max_rejected_fraction)
        finished = finish_clips(
            clips_folder,
            geometry=geometry,
            preparation=as_stored(preparation) | {"jpeg_quality": parameters.jpeg_quality},
            labels=manifest.labels,
            shards=_in_order(written),
            rows=written.rows,
        )
    return Extracted(digest=finished.digest, counts=counts_of(written.rows, written.rejects))


def available_cpus() -> int:
    """Number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def _written(
    plans: Sequence[ShardPlan], *, writing: ShardWriting, folder: Path, engine: Engine, flags: Sequence[str]
) -> Written:
    """Run the job and return what became of the videos; the shards lie in `folder`."""
    from components.extract_frames.beam_pipeline import OUTCOMES_FOLDER, run

    is_remote = is_bucket_uri(writing.destination)
    if is_remote:
        remove_all(writing.destination)
    written = run(plans, writing=writing, engine=engine, flags=flags)
    if is_remote:
        remove_all(f"{writing.destination.rstrip('/')}/{OUTCOMES_FOLDER}")
        fetch_folder(writing.destination, folder)  # its checksums go into the marker
    shutil.rmtree(folder / OUTCOMES_FOLDER, ignore_errors=True)
    return written


def _in_order(written: Written) -> list[Shard]:
    return sorted(written.shards, key=lambda shard: (SPLITS.index(shard.split), shard.name))


def _geometry(parameters: Parameters) -> ClipGeometry:
    return checked_geometry(
        n_frames=parameters.n_frames, frame_height=parameters.frame_height, frame_width=parameters.frame_width
    )


def _preparation(parameters: Parameters) -> Preparation:
    return checked_preparation(
        sampling=parameters.sampling,
        frame_step=parameters.frame_step,
        resize=parameters.resize,
        target_fps=parameters.target_fps,
        clips_per_video=parameters.clips_per_video,
    )


def _check_numbers(parameters: Parameters) -> None:
    ranges = {
        "jpeg_quality": (1, 100),
        "max_rejected_fraction": (0, 1),
        "workers": (0, 1024),
        "video_time_limit_s": (0.001, 86_400),
        "video_memory_mib": (64, 1 << 20),
        "shard_mib": (1, 1 << 14),
    }
    for name, (least, most) in ranges.items():
        value = getattr(parameters, name)
        if not least <= value <= most:
            raise StepError(f"{name} is {value}.", remedy=f"Give a number from {least} to {most}.")


def _check_reachable(videos: Sequence[Video]) -> None:
    for video in videos:
        if "://" in video.uri and not is_bucket_uri(video.uri):
            raise StepError(
                f"{video.name} lies at {video.uri}; videos are read from local paths and gs://.",
                remedy="Let ingest_videos fetch the videos into its store.",
            )
