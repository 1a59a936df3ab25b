from pathlib import Path

import pytest

from components.contract.accepted import (
    Accepted,
    accepted_root,
    finish_accepted,
    finish_baseline,
    read_accepted,
    read_baseline,
    run_fingerprint,
)
from components.contract.clips import (
    ClipGeometry,
    ClipRow,
    Reject,
    Shard,
    finish_clips,
    finish_rejects,
    read_clip_table,
    read_clips,
    read_rejects,
)
from components.contract.model import (
    HISTORY_NAME,
    KERAS_NAME,
    SAVED_MODEL_NAME,
    TrainedModel,
    finish_model,
    read_model,
)
from components.contract.verdict import Rule, Verdict, finish_evaluation, read_verdict
from components.contract.videos import Video, read_manifest, write_manifest

GEOMETRY = ClipGeometry(n_frames=4, frame_height=6, frame_width=8)


def video(name: str, uri: str) -> Video:
    return Video(name=name, uri=uri, label="Bow", group="Bow/g01", split="train", bytes=3, sha256="ab")


def clip_row(position: int) -> ClipRow:
    return ClipRow(
        video=f"v{position}.avi",
        video_digest="ab",
        clip_index=0,
        label="Bow",
        label_index=0,
        group="Bow/g01",
        split="train",
        shard="train-00000-of-00001.tfrecord",
        position=position,
        fps=25.0,
        duration_s=2.0,
        n_video_frames=50,
        video_height=240,
        video_width=320,
        codec="XVID",
        video_bytes=3,
        luma=100.0,
        contrast=30.0,
        sharpness=12.0,
        motion=2.5,
        cut_rate=0.0,
        frame_hashes="0000000000000000000000000000000000000000000000000000000000000000",
        source="",
    )


def accepted(version: int, baseline_version: int | None = None) -> Accepted:
    return Accepted(
        version=version,
        model="r2plus1d_fast",
        model_digest="m",
        clips_digest="c",
        statistics_digest="s",
        labels=("Bow", "Rise"),
        geometry=GEOMETRY,
        preparation={"sampling": "evenly_spaced"},
        verdict={"may_push": True},
        run_fingerprint="f",
        baseline_version=baseline_version,
        pushed_at="2026-01-01T00:00:00+00:00",
    )


def test_manifest_reads_back_sorted_and_its_digest_does_not_know_addresses(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    here = write_manifest(tmp_path / "a", videos=[video("v2", "/x/2"), video("v1", "/x/1")], labels=["Bow"])
    there = write_manifest(tmp_path / "b", videos=[video("v1", "/y/1"), video("v2", "/y/2")], labels=["Bow"])

    manifest = read_manifest(tmp_path / "a", digest=here.digest)

    assert [each.name for each in manifest.videos] == ["v1", "v2"]
    assert manifest.videos[0].uri == "/x/1"
    assert manifest.labels == ("Bow",)
    assert here.digest == there.digest


def test_clips_read_back_with_geometry_labels_shards_and_table(tmp_path: Path) -> None:
    shard = Shard(name="train-00000-of-00001.tfrecord", split="train", n_clips=2)
    (tmp_path / shard.name).write_bytes(b"records")
    rows = [clip_row(1), clip_row(0)]
    marked = finish_clips(
        tmp_path, geometry=GEOMETRY, preparation={"sampling": "x"}, labels=["Bow"], shards=[shard], rows=rows
    )

    clips = read_clips(tmp_path, digest=marked.digest)

    assert clips.geometry.shape == (4, 6, 8, 3)
    assert clips.n_clips("train") == 2
    assert clips.n_clips("test") == 0
    assert clips.paths(tmp_path, "train") == [tmp_path / shard.name]
    table = read_clip_table(tmp_path).to_pylist()
    assert [ClipRow(**row) for row in table] == [clip_row(0), clip_row(1)]


def test_same_clips_give_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        marked = finish_clips(
            folder, geometry=GEOMETRY, preparation={}, labels=["Bow"], shards=[], rows=[clip_row(0), clip_row(1)]
        )
        digests.append(marked.digest)

    assert digests[0] == digests[1]


def test_rejects_read_back_sorted(tmp_path: Path) -> None:
    rejects = [Reject(f"v{n}", f"/x/{n}", "Bow", "train", "unreadable", "It is text.") for n in (2, 1)]
    finish_rejects(tmp_path, rejects=rejects)

    assert read_rejects(tmp_path) == rejects[::-1]


def test_model_digest_knows_weights_and_labels_but_not_dates(tmp_path: Path) -> None:
    def write(name: str, *, date: str, labels: tuple[str, ...]) -> str:
        folder = tmp_path / name
        (folder / SAVED_MODEL_NAME).mkdir(parents=True)
        for file in (KERAS_NAME, f"{SAVED_MODEL_NAME}/saved_model.pb", HISTORY_NAME):
            (folder / file).write_text(date)
        trained = TrainedModel("fast", GEOMETRY, {}, labels, 7, {"seed": 1}, digest="")
        finish_model(folder, trained, weights_sha256="w")
        found = read_model(folder)
        assert found.geometry == GEOMETRY
        assert found.labels == labels
        return found.digest

    first = write("a", date="Monday", labels=("Bow", "Rise"))

    assert write("b", date="Tuesday", labels=("Bow", "Rise")) == first
    assert write("c", date="Monday", labels=("Rise", "Bow")) != first


def test_verdict_reads_back(tmp_path: Path) -> None:
    rule = Rule(name="min_accuracy", passed=False, found=0.5, wanted=0.9, sentence="0.5 is below 0.9.")
    verdict = Verdict(False, (rule,), model_digest="m", clips_digest="c", baseline_version=None, scores={"a": 1.0})
    marked = finish_evaluation(tmp_path, verdict=verdict, scores={"test": {}})

    assert read_verdict(tmp_path, digest=marked.digest) == verdict


def test_accepted_record_and_baseline_read_back(tmp_path: Path) -> None:
    (tmp_path / "record").mkdir()
    (tmp_path / "baseline").mkdir()
    (tmp_path / "nothing").mkdir()
    finish_accepted(tmp_path / "record", accepted(3, baseline_version=2))
    found = finish_baseline(tmp_path / "baseline", accepted(3))
    nothing = finish_baseline(tmp_path / "nothing", None)

    assert read_accepted(tmp_path / "record") == accepted(3, baseline_version=2)
    assert read_baseline(tmp_path / "baseline", digest=found.digest).accepted == accepted(3)
    assert read_baseline(tmp_path / "nothing", digest=nothing.digest).accepted is None


def test_accepted_records_lie_beside_the_serving_directory(tmp_path: Path) -> None:
    assert accepted_root(str(tmp_path / "actions")) == tmp_path / "actions.accepted"


def test_fingerprint_is_of_data_parameters_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_fingerprint("digest epochs=3")

    assert run_fingerprint("digest epochs=3") == first
    assert run_fingerprint("digest epochs=4") != first
    monkeypatch.setattr("components.contract.accepted.all_code_digest", lambda: "other code")
    assert run_fingerprint("digest epochs=3") != first
