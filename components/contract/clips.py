"""Clips: TFRecord shards per split, the clip table beside them, and the rejects."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from components.contract.errors import StepError
from components.contract.files import replacing, write_bytes
from components.contract.finished import Finished, finish, read_finished
from components.contract.videos import Split

if TYPE_CHECKING:
    import pyarrow

KIND = "clips"
REJECTS_KIND = "rejects"
TABLE_NAME = "clip_table.parquet"
REJECTS_NAME = "rejects.jsonl"

# Keys of a clip's tf.train.Example. The first three are those that TF Model Garden's video readers expect.
IMAGE_KEY = "image/encoded"
LABEL_INDEX_KEY = "clip/label/index"
LABEL_TEXT_KEY = "clip/label/text"
GROUP_KEY = "clip/group"
SPLIT_KEY = "clip/split"
VIDEO_KEY = "clip/video"
VIDEO_DIGEST_KEY = "clip/video_digest"
CLIP_INDEX_KEY = "clip/index"
TIMESTAMPS_KEY = "clip/timestamps_s"


@dataclass(frozen=True)
class ClipGeometry:
    """The shape of a clip: RGB, uint8, (n_frames, frame_height, frame_width, 3)."""

    n_frames: int
    frame_height: int
    frame_width: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(time, height, width, channels)."""
        return (self.n_frames, self.frame_height, self.frame_width, 3)


@dataclass(frozen=True)
class Shard:
    """One TFRecord file of a split."""

    name: str
    split: Split
    n_clips: int


@dataclass(frozen=True)
class Clips:
    """What a finished folder of clips holds; training and evaluation read geometry and labels here.

    Attributes:
        geometry: Shape of every clip.
        preparation: How frames were chosen and resized (sampler, frame step, resize …): what prediction must repeat.
        labels: Class names; a label's index is its place here.
        shards: In the order of splits and of names.
        digest: Content digest.
    """

    geometry: ClipGeometry
    preparation: dict[str, Any]
    labels: tuple[str, ...]
    shards: tuple[Shard, ...]
    digest: str

    def n_clips(self, split: Split) -> int:
        """Number of clips in a split."""
        return sum(shard.n_clips for shard in self.shards if shard.split == split)

    def paths(self, folder: Path, split: Split) -> list[Path]:
        """The shards of a split, in order."""
        return [folder / shard.name for shard in self.shards if shard.split == split]


@dataclass(frozen=True)
class ClipRow:
    """One row of the clip table: what is known of a clip without its pixels.

    Attributes:
        video: Name of its video.
        video_digest: SHA-256 of the video's bytes.
        clip_index: 0 for the video's first clip.
        label: Class name.
        label_index: Its place among the labels.
        group: Videos of one recording share it.
        split: train, validation or test.
        shard: File that holds the record.
        position: Place of the record in that file, from 0.
        fps: Frames per second of the video.
        duration_s: Of the video.
        n_video_frames: Frames decoded from the video.
        video_height: In pixels.
        video_width: In pixels.
        codec: FourCC or codec name.
        video_bytes: Size of the file.
        luma: Mean brightness of the clip, 0 to 255.
        contrast: Standard deviation of brightness, 0 to 127.5.
        sharpness: Mean variance of the Laplacian of brightness.
        motion: Mean absolute difference of brightness between consecutive frames of the clip, 0 to 255.
        cut_rate: Share of the clip's consecutive frames whose histograms of brightness differ by more than half.
        frame_hashes: Perceptual hashes (64 bits each, 16 hexadecimal digits) of four evenly spaced frames, in order:
            clips that look alike differ in few bits.
        source: Of its video.
    """

    video: str
    video_digest: str
    clip_index: int
    label: str
    label_index: int
    group: str
    split: Split
    shard: str
    position: int
    fps: float
    duration_s: float
    n_video_frames: int
    video_height: int
    video_width: int
    codec: str
    video_bytes: int
    luma: float
    contrast: float
    sharpness: float
    motion: float
    cut_rate: float
    frame_hashes: str
    source: str


@dataclass(frozen=True)
class Reject:
    """A video that yielded no clip, and why.

    Attributes:
        video: Its name in the manifest.
        uri: Where it lies.
        label: Class name.
        split: train, validation or test.
        reason: A short class of reason, e.g. `unreadable`, `too_short`.
        detail: A sentence for a person.
    """

    video: str
    uri: str
    label: str
    split: Split
    reason: str
    detail: str


def finish_clips(
    folder: Path,
    *,
    geometry: ClipGeometry,
    preparation: Mapping[str, Any],
    labels: Sequence[str],
    shards: Sequence[Shard],
    rows: Iterable[ClipRow],
) -> Finished:
    """Write the clip table beside the shards and mark the folder finished."""
    import pyarrow
    import pyarrow.parquet

    ordered = sorted(rows, key=lambda row: (row.shard, row.position))
    table = pyarrow.Table.from_pylist([asdict(row) for row in ordered], schema=table_schema())
    with replacing(folder / TABLE_NAME) as temporary:
        pyarrow.parquet.write_table(table, temporary)
    properties = {
        "geometry": asdict(geometry),
        "preparation": dict(preparation),
        "labels": list(labels),
        "shards": [asdict(shard) for shard in shards],
    }
    return finish(folder, kind=KIND, properties=properties)


def read_clips(folder: Path, *, digest: str | None = None, checksums: bool = True) -> Clips:
    """Read and verify what a finished folder of clips holds.

    Raises:
        StepError: If it is unfinished or not the promised one, or if a shard is missing, cut or changed.
    """
    finished = read_finished(folder, kind=KIND, digest=digest, checksums=checksums)
    try:
        properties = finished.properties
        return Clips(
            geometry=ClipGeometry(**properties["geometry"]),
            preparation=properties["preparation"],
            labels=tuple(properties["labels"]),
            shards=tuple(Shard(**shard) for shard in properties["shards"]),
            digest=finished.digest,
        )
    except (KeyError, TypeError) as error:
        raise StepError(
            f"{folder} does not say what it holds ({error}).", remedy="Run extract_frames again."
        ) from error


def table_schema() -> "pyarrow.Schema":
    """The clip table's Arrow schema, one column per field of `ClipRow`."""
    import pyarrow

    arrow_types = {int: pyarrow.int64(), float: pyarrow.float64()}
    return pyarrow.schema(
        [(name, arrow_types.get(hint, pyarrow.string())) for name, hint in get_type_hints(ClipRow).items()]
    )


def read_clip_table(folder: Path) -> "pyarrow.Table":
    """Read the clip table of a finished folder of clips, one row per clip, in the order of shards and positions."""
    import pyarrow.parquet

    return pyarrow.parquet.read_table(folder / TABLE_NAME, schema=table_schema())


def finish_rejects(folder: Path, *, rejects: Iterable[Reject]) -> Finished:
    """Write the rejects as JSON lines, sorted by video, and mark the folder finished."""
    ordered = sorted(rejects, key=lambda reject: reject.video)
    lines = (json.dumps(asdict(reject), sort_keys=True) + "\n" for reject in ordered)
    write_bytes(folder / REJECTS_NAME, "".join(lines).encode())
    return finish(folder, kind=REJECTS_KIND, properties={"n_rejects": len(ordered)})


def read_rejects(folder: Path) -> list[Reject]:
    """Read the rejects of a finished extraction."""
    read_finished(folder, kind=REJECTS_KIND)
    return [Reject(**json.loads(line)) for line in (folder / REJECTS_NAME).read_text().splitlines()]
