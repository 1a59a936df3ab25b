import json
from pathlib import Path

import pytest

from components.contract import buckets
from components.contract.accepted import Accepted, finish_accepted
from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.serving.directory import ServingDirectory
from components.serving.server_files import kserve_manifest


@pytest.fixture(params=["folder", "bucket"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> ServingDirectory:
    if request.param == "folder":
        return ServingDirectory(str(tmp_path / "models" / "actions"))
    return ServingDirectory(f"{request.getfixturevalue('gcs_bucket')}/models/actions")


def complete(directory: ServingDirectory, version: int, tmp_path: Path) -> None:
    folder = tmp_path / f"record {version}"
    folder.mkdir()
    accepted = Accepted(
        version=version,
        model="small",
        model_digest=f"model {version}",
        clips_digest="clips",
        statistics_digest="statistics",
        labels=("run", "sit"),
        geometry=ClipGeometry(n_frames=4, frame_height=24, frame_width=32),
        preparation={},
        verdict={"may_push": True},
        run_fingerprint="fingerprint",
        baseline_version=None,
        pushed_at="2026-01-01T00:00:00.000+00:00",
    )
    finish_accepted(folder, accepted)
    directory.models.create(f"{version}/saved_model.pb", b"graph")
    for path in sorted(folder.iterdir()):
        directory.records.create(f"{version}/{path.name}", path.read_bytes())


def served_version(directory: ServingDirectory) -> int | None:
    record = directory.served(warn=print)
    return record.version if record else None


def configured_version(directory: ServingDirectory) -> str:
    config = (directory.records.read("models.config") or b"").decode()
    return config.split("versions: ")[1].split(" ")[0]


def test_version_without_its_last_file_is_not_complete(directory: ServingDirectory, tmp_path: Path) -> None:
    complete(directory, 1, tmp_path)
    directory.models.create("2/variables/variables.index", b"half")
    directory.records.create("3/accepted.json", b"{}")

    assert directory.complete_versions() == [1]
    assert served_version(directory) == 1
    assert directory.next_version() == 4


def test_served_version_is_the_newest_in_the_history_and_in_the_config(
    directory: ServingDirectory, tmp_path: Path
) -> None:
    for version in (1, 2, 10):
        complete(directory, version, tmp_path)
        directory.serve(version, by="push", why=f"{version} is better.")

    assert served_version(directory) == 10
    assert [(entry.version, entry.why) for entry in directory.history()][-1] == (10, "10 is better.")
    assert configured_version(directory) == "10"
    assert json.dumps(directory.uri) in (directory.records.read("models.config") or b"").decode()


def test_older_push_that_ends_later_takes_nothing_out_of_service(directory: ServingDirectory, tmp_path: Path) -> None:
    complete(directory, 1, tmp_path)
    complete(directory, 2, tmp_path)

    directory.serve(2, by="push", why="first to end")
    directory.serve(1, by="push", why="late")

    assert served_version(directory) == 2
    assert configured_version(directory) == "2"


def test_rollback_serves_the_version_before_and_withdraws_the_bad_one(
    directory: ServingDirectory, tmp_path: Path
) -> None:
    for version in (1, 2, 3):
        complete(directory, version, tmp_path)
        directory.serve(version, by="push", why="better")

    rolled_back_to = directory.roll_back(None, why="it confuses sitting and standing")

    assert rolled_back_to == 2
    assert served_version(directory) == 2
    assert configured_version(directory) == "2"
    assert directory.withdrawn() == {3: "it confuses sitting and standing"}
    assert directory.roll_back(None, why="also bad") == 1
    assert directory.withdrawn() == {3: "it confuses sitting and standing", 2: "also bad"}
    directory.roll_back(3, why="it was right")
    assert served_version(directory) == 3
    assert directory.withdrawn() == {2: "also bad"}


@pytest.mark.parametrize(
    ("version", "found"), [(None, "no version before"), (7, "no complete version 7"), (1, "already")]
)
def test_rollback_that_cannot_be_is_refused(
    directory: ServingDirectory, tmp_path: Path, version: int | None, found: str
) -> None:
    complete(directory, 1, tmp_path)
    directory.serve(1, by="push", why="first")

    with pytest.raises(StepError, match=found):
        directory.roll_back(version, why="")

    assert len(directory.history()) == 1


def test_published_version_that_nobody_came_to_serve_is_served_and_a_stale_config_mended(
    directory: ServingDirectory, tmp_path: Path
) -> None:
    complete(directory, 1, tmp_path)
    directory.serve(1, by="push", why="first")
    complete(directory, 2, tmp_path)

    directory.finish_interrupted()
    directory.records.change("models.config", lambda: b"stale")
    directory.finish_interrupted()
    directory.finish_interrupted()

    assert [entry.version for entry in directory.history()] == [1, 2]
    assert configured_version(directory) == "2"


def test_damaged_history_is_named(directory: ServingDirectory) -> None:
    directory.records.create("history/000001.json", b"{")

    with pytest.raises(StepError, match=r"history/000001\.json cannot be read"):
        directory.served(warn=print)


def test_two_changes_at_once_both_see_what_stands(gcs_bucket: str) -> None:
    directory = ServingDirectory(f"{gcs_bucket}/models/actions")
    seen = []

    def make() -> bytes:
        seen.append(len(seen))
        if len(seen) == 1:  # another push comes between the look and the write
            buckets.write_bytes(f"{gcs_bucket}/models/actions.accepted/models.config", b"theirs")
        return f"ours {len(seen)}".encode()

    directory.records.change("models.config", make)

    assert directory.records.read("models.config") == b"ours 2"


def test_kserve_is_told_one_version() -> None:
    import yaml

    manifest = yaml.safe_load(kserve_manifest("gs://bucket/models/Video_Actions", version=3))

    assert manifest["metadata"]["name"] == "video-actions"
    model = manifest["spec"]["predictor"]["model"]
    assert model["storageUris"] == [{"uri": "gs://bucket/models/Video_Actions/3", "mountPath": "/mnt/models/3"}]


def test_config_is_one_that_tf_serving_reads(directory: ServingDirectory, tmp_path: Path) -> None:
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    complete(directory, 4, tmp_path)
    directory.serve(4, by="push", why="first")

    config = text_format.Parse(
        (directory.records.read("models.config") or b"").decode(), model_server_config_pb2.ModelServerConfig()
    )

    assert config.model_config_list.config[0].name == "actions"
    assert list(config.model_config_list.config[0].model_version_policy.specific.versions) == [4]
