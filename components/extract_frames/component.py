"""Step 2: videos in, TFRecord clips out."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from components.image import component


@component
def extract_frames(
    videos: Input[Dataset],
    videos_digest: str,
    clips: Output[Dataset],
    rejects: Output[Dataset],
    report: Output[Metrics],
    record: Output[Artifact],
    n_frames: int = 16,
    frame_height: int = 112,
    frame_width: int = 112,
    sampling: str = "evenly_spaced",
    frame_step: int = 15,
    resize: str = "crop",
    jpeg_quality: int = 90,
    max_rejected_fraction: float = 0.1,
    workers: int = 0,
) -> str:
    """Decode each video once and store the chosen frames as a clip; return the digest of the clips.

    Args:
        videos: Manifest of labelled videos, as written by ingest_videos.
        videos_digest: Content digest of the manifest; the cache knows videos by it.
        clips: TFRecord shards per split, with the clip table beside them.
        rejects: JSON lines, one for each video that gave no clip, with the reason.
        report: Counts of videos, clips and rejects.
        record: The step record.
        n_frames: Frames in a clip.
        frame_height: In pixels.
        frame_width: In pixels.
        sampling: evenly_spaced over the whole video, or fixed_step for every frame_step-th frame, centred.
        frame_step: Frames from one chosen frame to the next; only for fixed_step.
        resize: crop (short side to size, centre kept) or pad (all of the frame, black bars).
        jpeg_quality: Of the stored frames, 1 to 100.
        max_rejected_fraction: The step fails when more than this fraction of the videos gives no clip.
        workers: Videos decoded at the same time; 0 for one per CPU.
    """
    from pathlib import Path

    from components.contract.step_record import step_record
    from components.extract_frames.extraction import extract

    with step_record(extract_frames, locals()) as step:
        extracted = extract(
            Path(videos.path), videos_digest, clips_folder=Path(clips.path), rejects_folder=Path(rejects.path),
            n_frames=n_frames, frame_height=frame_height, frame_width=frame_width, sampling=sampling,
            frame_step=frame_step, resize=resize, jpeg_quality=jpeg_quality,
            max_rejected_fraction=max_rejected_fraction, workers=workers,
        )  # fmt: skip
        step.log_metrics(report, extracted.counts)
    return extracted.digest
