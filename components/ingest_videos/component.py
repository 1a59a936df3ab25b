"""Step 1: a source in, the manifest of labelled videos out."""

from typing import List  # noqa: UP035 - kfp reads this annotation, and the generated module imports typing's names

from kfp.dsl import Artifact, Dataset, Metrics, Output

from components.image import component


@component
def ingest_videos(
    source: str,
    store_dir: str,
    videos: Output[Dataset],
    report: Output[Metrics],
    record: Output[Artifact],
    source_type: str = "auto",
    classes: List[str] = [],  # noqa: B006, UP006 - kfp takes no `list | None`; nothing changes it
    videos_per_class: int = 0,
    validation_fraction: float = 0.15,
    test_fraction: float = 0.15,
    fetch_workers: int = 16,
    source_auth_env: str = "",
) -> str:
    """List a source, choose videos, split them by group, fetch them once; return the digest of the manifest.

    Args:
        source: Address or path: a zip laid out like UCF101's (http, https, gs or local), or a folder of class folders.
            env:NAME takes it out of an environment variable, for an address that is signed.
        store_dir: Folder that keeps fetched videos between runs.
        videos: Manifest of labelled videos, one row per video.
        report: Counts of videos, bytes, groups, what was fetched, reused and left out.
        record: What the step was given, what it left, and how it ended.
        source_type: auto, ucf101 or class_folders.
        classes: Classes to take; empty takes all.
        videos_per_class: Videos to take of each class; 0 takes all.
        validation_fraction: Share of each class's groups for validation.
        test_fraction: Share of each class's groups for test.
        fetch_workers: How many videos are fetched at a time.
        source_auth_env: Environment variable that holds what the header Authorization says to an http(s) source.
    """
    from pathlib import Path

    from components.contract.step_record import step_record
    from components.ingest_videos.access import address_of, secret
    from components.ingest_videos.addresses import shown
    from components.ingest_videos.ingest import Selection, ingest
    from components.ingest_videos.splits import Shares

    with step_record(ingest_videos, {**locals(), "source": shown(source)}) as step:
        shares = Shares(validation=validation_fraction, test=test_fraction)
        selection = Selection(classes=tuple(classes), videos_per_class=videos_per_class, shares=shares)
        ingested = ingest(
            address_of(source),
            Path(videos.path),
            store_dir=store_dir,
            selection=selection,
            source_type=source_type,
            fetch_workers=fetch_workers,
            authorization=secret(source_auth_env, parameter="source_auth_env"),
        )
        step.log_metrics(report, ingested.counts)
    return ingested.digest
