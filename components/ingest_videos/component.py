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
    validation_share: float = 0.15,
    test_share: float = 0.15,
    group_by: str = "auto",
    group_pattern: str = "",
    official_split: int = 0,
    split_lists: str = "",
    previous_videos: str = "",
    fetch_workers: int = 16,
    source_auth_env: str = "",
) -> str:
    """List a source, choose videos, split them by group, fetch them once; return the digest of the manifest.

    Args:
        source: Address or path: a zip laid out like UCF101's (http, https, gs or local), or, local or gs, a folder or
            a list of videos. env:NAME takes it out of an environment variable, for an address that is signed.
        store_dir: Folder that keeps between runs the splits of groups and what is fetched: the videos of archives and
            buckets; local files stay where they are.
        videos: Manifest of labelled videos, one row per video.
        report: Counts of videos, bytes, groups, what was fetched, reused, left out, and what changed since last time.
        record: What the step was given, what it left, and how it ended.
        source_type: auto, ucf101, class_folders, split_folders, path_list, csv, jsonl, kinetics or hmdb51.
        classes: Classes to take; empty takes all.
        videos_per_class: Videos to take of each class; 0 takes all.
        validation_share: Share of each class's groups for validation; from 1 on, how many groups of each class.
        test_share: Share of each class's groups for test; from 1 on, how many groups of each class.
        group_by: What tells the videos of one recording: column (of a list), name (UCF101's, HMDB51's), folder (between
            class and video), pattern, content (equal bytes only); auto takes the column, else the name, else content.
        group_pattern: Regular expression whose one group in parentheses is the recording in a video's name.
        official_split: Number of UCF101's or HMDB51's published split, 1 to 3; 0 splits by share.
        split_lists: Folder or zip with the published lists; empty looks in the source's folder.
        previous_videos: Folder of an earlier manifest whose splits stay; what the store remembers stays anyway.
        fetch_workers: How many videos are fetched at a time.
        source_auth_env: Environment variable that holds what the header Authorization says to an http(s) source.
    """
    from pathlib import Path

    from components.contract.step_record import step_record
    from components.ingest_videos.access import address_of, secret
    from components.ingest_videos.addresses import shown
    from components.ingest_videos.groups import Grouping
    from components.ingest_videos.ingest import ingest
    from components.ingest_videos.selection import Selection
    from components.ingest_videos.splits import Shares

    with step_record(ingest_videos, {**locals(), "source": shown(source), "split_lists": shown(split_lists)}) as step:
        selection = Selection(
            classes=tuple(classes),
            videos_per_class=videos_per_class,
            shares=Shares(validation=validation_share, test=test_share),
            grouping=Grouping(by=group_by, pattern=group_pattern),
            official_split=official_split,
            split_lists=split_lists,
            previous_videos=previous_videos,
        )
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
