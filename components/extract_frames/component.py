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
    store_dir: str,
    n_frames: int = 16,
    frame_height: int = 112,
    frame_width: int = 112,
    sampling: str = "evenly_spaced",
    frame_step: int = 15,
    target_fps: float = 8.0,
    clips_per_video: int = 1,
    resize: str = "crop",
    jpeg_quality: int = 90,
    max_rejected_fraction: float = 0.1,
    workers: int = 0,
    video_time_limit_s: float = 600.0,
    video_memory_mib: int = 2048,
    shard_mib: int = 64,
    beam_runner: str = "FnApiRunner",
    beam_options: str = "",
) -> str:
    """Decode each video once and store the chosen frames as a clip; return the digest of the clips.

    Args:
        videos: Manifest of labelled videos, as written by ingest_videos.
        videos_digest: Content digest of the manifest; the cache knows videos by it.
        clips: TFRecord shards per split, with the clip table beside them.
        rejects: JSON lines, one for each video that gave no clip, with the reason.
        report: Counts of videos, clips and rejects.
        record: The step record.
        store_dir: Folder that keeps fetched videos and extracted clips between runs; empty extracts all anew.
        n_frames: Frames in a clip.
        frame_height: In pixels.
        frame_width: In pixels.
        sampling: evenly_spaced over the whole video, fixed_step for every frame_step-th frame, or target_fps.
        frame_step: Frames from one chosen frame to the next; only for fixed_step.
        target_fps: Chosen frames per second of the video; only for target_fps.
        clips_per_video: Clips that each video gives, spread over it.
        resize: crop (short side to size, centre kept) or pad (all of the frame, black bars).
        jpeg_quality: Of the stored frames, 1 to 100.
        max_rejected_fraction: The step fails when more of the videos, or of one class's, give no clip.
        workers: Decoding processes; 0 for one per CPU.
        video_time_limit_s: A video that takes longer to decode is rejected.
        video_memory_mib: A video that takes more memory to decode is rejected.
        shard_mib: A shard file is not larger than this, unless one clip is.
        beam_runner: FnApiRunner (here), PrismRunner, FlinkRunner, SparkRunner, DataflowRunner or PortableRunner.
        beam_options: Flags of Beam's options for that engine, as in a shell; workers need the same code and folders.
    """
    from pathlib import Path

    from components.contract.step_record import step_record
    from components.extract_frames.extraction import Parameters, extract

    arguments = locals()
    with step_record(extract_frames, arguments) as step:
        chosen = {name: arguments[name] for name in Parameters.__dataclass_fields__}
        extracted = extract(
            Path(videos.path), videos_digest, clips_folder=Path(clips.path), clips_uri=clips.uri,
            rejects_folder=Path(rejects.path), store_dir=store_dir, parameters=Parameters(**chosen),
        )  # fmt: skip
        step.log_metrics(report, extracted.counts)
    return extracted.digest
