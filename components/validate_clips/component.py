"""Step 3: clips in, their statistics and findings out; clips with faults go no further."""

from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output

from components.image import component


@component
def validate_clips(
    clips: Input[Dataset],
    clips_digest: str,
    baseline: Input[Artifact],
    baseline_digest: str,
    statistics: Output[Artifact],
    page: Output[HTML],
    report: Output[Metrics],
    record: Output[Artifact],
    fail_on: str = "error",
    drift_threshold: float = 0.3,
    near_duplicate_distance: int = 10,
    schema: str = "",
) -> str:
    """Check the clip table before anything is trained on it; return the digest of the clips it let through.

    Args:
        clips: Clips and their table, as written by extract_frames.
        clips_digest: Content digest of the clips.
        baseline: The accepted version to compare with, as written by find_baseline.
        baseline_digest: Content digest of the baseline.
        statistics: Statistics per split, the schema and the findings.
        page: Findings, counts and distributions, for a person.
        report: Counts of clips and findings.
        record: What this step did, as step.json.
        fail_on: The mildest findings that stop the run: error, warning, or never.
        drift_threshold: How far the classes' shares (L-infinity) and the numbers' distributions (Jensen-Shannon
            divergence) may be from those of the accepted version, 0 to 1.
        near_duplicate_distance: Clips of different groups look the same when the 256 bits of their perceptual hashes
            differ in at most this many; 0 to 31.
        schema: A reviewed schema of the clip table (a path or gs://), as `reelflow schema infer` writes it; empty to
            infer one from the train split.
    """
    from pathlib import Path

    from components.contract.accepted import read_baseline
    from components.contract.step_record import step_record
    from components.validate_clips.validation import stop_on, stopping_severities, validate

    with step_record(validate_clips, locals()) as step:
        stopping = stopping_severities(fail_on)
        result = validate(
            Path(clips.path),
            clips_digest=clips_digest,
            baseline=read_baseline(Path(baseline.path), digest=baseline_digest),
            statistics=Path(statistics.path),
            page=Path(page.path),
            drift_threshold=drift_threshold,
            near_duplicate_distance=near_duplicate_distance,
            schema_uri=schema,
        )
        step.log_metrics(report, result.metrics)
        stop_on(result.findings, stopping)
    return clips_digest
