"""The manifest: one row per labelled video, as ingest_videos writes it and extract_frames reads it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from components.contract.errors import StepError
from components.contract.files import write_bytes
from components.contract.finished import Finished, finish, read_finished

KIND = "videos"
MANIFEST_NAME = "manifest.jsonl"
URIS_NAME = "uris.json"

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Video:
    """One labelled video.

    Attributes:
        name: Unique within the manifest, e.g. `v_SitDown_g03_c02.avi`; a name to show, never used as a path.
        uri: Where its bytes are: a local path, or gs://.
        label: Class name.
        group: Videos cut from one recording share it, e.g. `SitDown/g03`; no group is in two splits.
        split: train, validation or test.
        bytes: Size.
        sha256: Checksum of its bytes, hexadecimal.
        source: Where it was recorded or listed, a name to slice results by, e.g. `ucf101`; may be empty.
    """

    name: str
    uri: str
    label: str
    group: str
    split: Split
    bytes: int
    sha256: str
    source: str = ""


@dataclass(frozen=True)
class Manifest:
    """The labelled videos of a run.

    Attributes:
        videos: Sorted by name.
        labels: Class names; a label's index is its place here.
        digest: Content digest: of names, labels, groups, splits and bytes, not of where the bytes lie.
    """

    videos: tuple[Video, ...]
    labels: tuple[str, ...]
    digest: str


def write_manifest(folder: Path, *, videos: Sequence[Video], labels: Sequence[str]) -> Finished:
    """Write the manifest into `folder` and mark it finished.

    The same bytes under other addresses are the same videos, so addresses stand in a file of their own
    that the digest leaves out.
    """
    ordered = sorted(videos, key=lambda video: video.name)
    rows = [{key: value for key, value in asdict(video).items() if key != "uri"} for video in ordered]
    write_bytes(folder / MANIFEST_NAME, "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows).encode())
    uris = {video.name: video.uri for video in ordered}
    write_bytes(folder / URIS_NAME, (json.dumps(uris, indent=0, sort_keys=True) + "\n").encode())
    counts = {split: sum(video.split == split for video in ordered) for split in SPLITS}
    properties = {"labels": list(labels), "n_videos": len(ordered), "n_videos_per_split": counts}
    return finish(folder, kind=KIND, properties=properties, content={URIS_NAME: None})


def read_manifest(folder: Path, *, digest: str | None = None) -> Manifest:
    """Read and verify a manifest.

    Raises:
        StepError: If it is unfinished, damaged, or not the promised one.
    """
    finished = read_finished(folder, kind=KIND, digest=digest)
    try:
        uris = json.loads((folder / URIS_NAME).read_text())
        rows = [json.loads(line) for line in (folder / MANIFEST_NAME).read_text().splitlines()]
        videos = tuple(Video(uri=uris[row["name"]], **row) for row in rows)
    except (ValueError, KeyError, TypeError) as error:
        raise StepError(
            f"{folder} has rows that cannot be read ({error}).", remedy="Run ingest_videos again."
        ) from error
    return Manifest(videos=videos, labels=tuple(finished.properties["labels"]), digest=finished.digest)
