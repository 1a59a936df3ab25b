"""A video whose digest and parameters were extracted before is not decoded again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kfp import dsl

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.extract_frames.clip import Clip, ClipFacts, Extraction, packed, unpacked
from components.extract_frames.clip_store import clip_store, trim
from components.extract_frames.component import extract_frames
from components.extract_frames.worker_pool import WorkerPool
from components.video.preparation import Preparation

Videos = list[tuple[Path, str, str]]
ManifestOf = Callable[[Path, Videos], tuple[Path, str]]

FACTS = ClipFacts("ab" * 32, 25.0, 1.2, 30, 64, 96, "XVID", 1234, 1.0, 2.0, 3.0, 4.0, 0.5, "0" * 64)
CLIPS = [Clip((b"one", b"", b"three"), (0.0, 0.4, 0.8), FACTS), Clip((b"four",), (1.0,), FACTS)]
EXTRACTION = Extraction(ClipGeometry(3, 32, 48), Preparation("evenly_spaced", None, "crop"), jpeg_quality=90)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the videos that workers were given."""
    names: list[str] = []
    extract = WorkerPool.extract

    def counting(self: WorkerPool, path: Path, *, digest: str) -> list[Clip]:
        names.append(path.name)
        return extract(self, path, digest=digest)

    monkeypatch.setattr(WorkerPool, "extract", counting)
    return names


def run(manifest: tuple[Path, str], out: Path, store: Path, **parameters: object) -> str:
    return extract_frames.python_func(
        videos=dsl.Dataset(uri=str(manifest[0])), videos_digest=manifest[1], clips=dsl.Dataset(uri=str(out / "clips")),
        rejects=dsl.Dataset(uri=str(out / "rejects")), report=dsl.Metrics(uri=str(out / "report")),
        record=dsl.Artifact(uri=str(out / "record")), store_dir=str(store),
        **{"n_frames": 4, "frame_height": 32, "frame_width": 48, "workers": 1, **parameters},
    )  # fmt: skip


def test_only_videos_new_to_the_parameters_are_decoded_and_the_bytes_are_the_same(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf, decoded: list[str]
) -> None:
    few, all_of_them = manifest_of(tmp_path / "few", videos[:-1]), manifest_of(tmp_path / "all", videos)
    store = tmp_path / "store"

    run(few, tmp_path / "1", store)
    n_first = len(decoded)
    second = run(all_of_them, tmp_path / "2", store)
    n_second = len(decoded)
    anew = run(all_of_them, tmp_path / "3", tmp_path / "other store")
    n_anew = len(decoded)
    run(all_of_them, tmp_path / "4", store, jpeg_quality=80)

    # The fixture's videos of a label are the same bytes: one is decoded for all where they follow each other.
    assert n_first <= 9
    assert decoded[n_first:n_second] == []
    assert second == anew
    assert n_anew > n_second
    assert len(decoded) > n_anew


def test_a_damaged_entry_is_noticed_and_its_video_decoded_again(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf, decoded: list[str]
) -> None:
    manifest, store = manifest_of(tmp_path / "videos", videos), tmp_path / "store"
    digest = run(manifest, tmp_path / "1", store)
    entries = sorted((store / "clips").glob("??/*"))
    contents = [entry.read_bytes() for entry in entries]
    entries[0].write_bytes(contents[0][:-1] + b"?")
    entries[1].write_bytes(b"")
    decoded.clear()

    again = run(manifest, tmp_path / "2", store)

    assert len(entries) == 2
    assert again == digest
    assert decoded
    assert [entry.read_bytes() for entry in entries] == contents


def test_a_store_keeps_to_its_bound_and_what_was_used_last(tmp_path: Path) -> None:
    store = clip_store(str(tmp_path), extraction=EXTRACTION, code_digest="code")
    assert store is not None
    for number in range(4):
        store.keep(f"video {number}", CLIPS)
    for number in (1, 2, 3, 0):
        assert store.find(f"video {number}") == CLIPS
    entry_bytes = next((tmp_path / "clips").glob("??/*")).stat().st_size

    removed = trim(store, most_bytes=2 * entry_bytes)

    assert removed == 2
    assert [number for number in range(4) if store.find(f"video {number}")] == [0, 3]


def test_clips_of_other_parameters_or_code_are_not_taken(tmp_path: Path) -> None:
    store = clip_store(str(tmp_path), extraction=EXTRACTION, code_digest="code")
    other = clip_store(str(tmp_path), extraction=EXTRACTION, code_digest="changed code")
    assert store is not None
    assert other is not None
    store.keep("video", CLIPS)

    assert store.find("video") == CLIPS
    assert other.find("video") is None


def test_a_bucket_can_be_the_store(gcs_bucket: str) -> None:
    store = clip_store(f"{gcs_bucket}/store", extraction=EXTRACTION, code_digest="code")
    assert store is not None

    store.keep("video", CLIPS)
    store.keep("video", CLIPS)

    assert store.find("video") == CLIPS
    assert store.find("another") is None


def test_a_store_that_is_no_folder_and_no_bucket_is_refused() -> None:
    with pytest.raises(StepError, match="s3://somewhere"):
        clip_store("s3://somewhere", extraction=EXTRACTION, code_digest="code")


@pytest.mark.parametrize("data", [b"", b"\xff\xff\xff\xff", packed(CLIPS)[:-1], packed(CLIPS) + b"x", b"\1\0\0\0[1"])
def test_bytes_that_are_no_clips_are_refused(data: bytes) -> None:
    assert unpacked(packed(CLIPS)) == CLIPS

    with pytest.raises(ValueError, match=r"."):
        unpacked(data)
