"""The whole extraction: every video of the manifest becomes a clip or a reject, and the two add up."""

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.contract.clips import ClipRow, Reject, Shard, finish_clips, finish_rejects
from components.contract.errors import StepError
from components.contract.files import emptied
from components.contract.videos import SPLITS, Video, read_manifest
from components.extract_frames.clip import Extraction
from components.extract_frames.disk import disk_faults_named
from components.extract_frames.shards import ShardPlan, planned_shards
from components.video.preparation import as_stored, checked_geometry, checked_preparation


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
    rejects_folder: Path,
    n_frames: int,
    frame_height: int,
    frame_width: int,
    sampling: str,
    frame_step: int,
    resize: str,
    jpeg_quality: int,
    max_rejected_fraction: float,
    workers: int,
) -> Extracted:
    """Write the clips of all videos, their table and the rejects.

    Args:
        videos_folder: The manifest's folder.
        videos_digest: Content digest that the manifest must have.
        clips_folder: Takes shards and clip table.
        rejects_folder: Takes the rejects.
        n_frames: Frames in a clip.
        frame_height: In pixels.
        frame_width: In pixels.
        sampling: evenly_spaced or fixed_step.
        frame_step: For fixed_step.
        resize: crop or pad.
        jpeg_quality: 1 to 100.
        max_rejected_fraction: More rejects than this fraction of the videos stop the step.
        workers: Videos decoded at the same time; 0 means one per CPU.

    Raises:
        StepError: If a parameter or the manifest is wrong, too few videos gave a clip, or the disk refuses.
    """
    _check_numbers(jpeg_quality=jpeg_quality, max_rejected_fraction=max_rejected_fraction, workers=workers)
    geometry = checked_geometry(n_frames=n_frames, frame_height=frame_height, frame_width=frame_width)
    preparation = checked_preparation(sampling=sampling, frame_step=frame_step, resize=resize)
    manifest = read_manifest(videos_folder, digest=videos_digest)
    _check_local(manifest.videos)
    extraction = Extraction(geometry, preparation, jpeg_quality, manifest.labels)
    plans = planned_shards(manifest.videos, geometry=geometry)
    with disk_faults_named(clips_folder):
        emptied(clips_folder)
        emptied(rejects_folder)
        rows, rejects = _run(plans, folder=clips_folder, extraction=extraction, workers=workers or available_cpus())
        _check_all_accounted(manifest.videos, rows=rows, rejects=rejects)
        finish_rejects(rejects_folder, rejects=rejects)
        _check_enough(rejects, n_videos=len(manifest.videos), max_rejected_fraction=max_rejected_fraction)
        clips_per_shard = Counter(row.shard for row in rows)
        finished = finish_clips(
            clips_folder,
            geometry=geometry,
            preparation=as_stored(preparation) | {"jpeg_quality": jpeg_quality},
            labels=manifest.labels,
            shards=[
                Shard(name=plan.name, split=plan.split, n_clips=clips_per_shard[plan.name])
                for plan in plans
                if plan.name in clips_per_shard
            ],
            rows=rows,
        )
    return Extracted(digest=finished.digest, counts=_counts(rows, rejects))


def available_cpus() -> int:
    """Number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def _run(
    plans: Sequence[ShardPlan], *, folder: Path, extraction: Extraction, workers: int
) -> tuple[list[ClipRow], list[Reject]]:
    from components.extract_frames.beam_pipeline import run

    temporary = Path(tempfile.gettempdir())
    with disk_faults_named(temporary), tempfile.TemporaryDirectory(dir=temporary) as work_folder:
        return run(plans, folder=folder, extraction=extraction, workers=workers, work_folder=Path(work_folder))


def _check_numbers(*, jpeg_quality: int, max_rejected_fraction: float, workers: int) -> None:
    if not 1 <= jpeg_quality <= 100:
        raise StepError(f"jpeg_quality is {jpeg_quality}.", remedy="Give a whole number from 1 to 100.")
    if not 0 <= max_rejected_fraction <= 1:
        raise StepError(f"max_rejected_fraction is {max_rejected_fraction}.", remedy="Give a number from 0 to 1.")
    if workers < 0:
        raise StepError(f"workers is {workers}.", remedy="Give 0 for one per CPU, or a number from 1 up.")


def _check_local(videos: Sequence[Video]) -> None:
    for video in videos:
        if "://" in video.uri:
            raise StepError(
                f"{video.name} lies at {video.uri}; this version reads videos from local paths only.",
                remedy="Let ingest_videos fetch the videos into its store; gs:// comes with a later version.",
            )


def _check_all_accounted(videos: Sequence[Video], *, rows: Sequence[ClipRow], rejects: Sequence[Reject]) -> None:
    accounted = sorted({row.video for row in rows}) + [reject.video for reject in rejects]
    if sorted(accounted) != sorted(video.name for video in videos):
        raise RuntimeError(f"{len(videos)} videos went in; {len(rows)} clips and {len(rejects)} rejects came out.")


def _check_enough(rejects: Sequence[Reject], *, n_videos: int, max_rejected_fraction: float) -> None:
    if n_videos == 0:
        raise StepError("The manifest lists no videos.", remedy="Widen what ingest_videos chooses.")
    if len(rejects) < n_videos and len(rejects) <= max_rejected_fraction * n_videos:
        return
    reasons = Counter(reject.reason for reject in rejects).most_common()
    worst = next(reject for reject in rejects if reject.reason == reasons[0][0])
    raise StepError(
        f"{len(rejects)} of {n_videos} videos gave no clip, more than max_rejected_fraction={max_rejected_fraction:g} "
        f"allows ({', '.join(f'{reason}: {n}' for reason, n in reasons)}); for one, {worst.video}: {worst.detail}",
        remedy="Mend or leave out the videos that the rejects list, or raise max_rejected_fraction.",
    )


def _counts(rows: Sequence[ClipRow], rejects: Sequence[Reject]) -> dict[str, float]:
    per_split = Counter(row.split for row in rows)
    per_reason = Counter(reject.reason for reject in rejects)
    return {
        "videos": len({row.video for row in rows}) + len(rejects),
        "clips": len(rows),
        "rejects": len(rejects),
        **{f"clips_{split}": per_split[split] for split in SPLITS},
        **{f"rejects_{reason}": per_reason[reason] for reason in sorted(per_reason)},
    }
