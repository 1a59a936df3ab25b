"""Which engine runs the job: its options are checked, and a real one gives the bytes that this process gives."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kfp import dsl

from components.contract.clips import read_clips
from components.contract.errors import StepError
from components.contract.finished import MARKER_NAME
from components.extract_frames.component import extract_frames
from components.extract_frames.engine import checked_engine, checked_flags

Videos = list[tuple[Path, str, str]]
ManifestOf = Callable[[Path, Videos], tuple[Path, str]]

_DECODING, _ENGINE_WORKER = b"components.extract_frames.worker\0", b"SdkHarness"
_PRISM, _JAR = "REELFLOW_PRISM", "REELFLOW_FLINK_JOB_SERVER_JAR"


@pytest.mark.parametrize("beam_runner", ["", "DirectRunner", "flinkrunner", "os.system", "DaskRunner"])
def test_an_engine_that_is_not_known_is_refused(beam_runner: str) -> None:
    with pytest.raises(StepError, match="beam_runner is"):
        checked_engine(beam_runner)


@pytest.mark.parametrize(
    ("beam_options", "message"),
    [
        ("--save_main_session", "--save_main_session"),
        ("--runner=DirectRunner", "beam_runner names it"),
        ("--setup_file=./setup.py", "--setup_file"),
        ("--requirements_file=x.txt", "--requirements_file"),
        ("--extra_package=https://example.org/x.tar.gz", "--extra_package"),
        ("--environment_type=PROCESS", "'PROCESS'"),
        ("--flink_job_server_jar=https://example.org/x.jar", "is no file here"),
        ("--prism_location=https://example.org/prism", "is no file here"),
        ("--flink_mast=localhost:8081", "no option of Beam"),
        ("--no_such_option=1", "no option of Beam"),
        ("flink_master", "no option of Beam"),
        ("--flink_master", "no value"),
        ("--parallelism=many", "many"),
        ("--help", "--help"),
        ("'--flink_master=x", "cannot be read"),
        ("--flink_master='a\nb'", "no option of Beam"),
    ],
)
def test_hostile_or_wrong_options_are_refused(beam_options: str, message: str) -> None:
    with pytest.raises(StepError) as refused:
        checked_flags(beam_options)

    assert message in refused.value.found


def test_options_of_the_engines_are_taken(tmp_path: Path) -> None:
    jar = tmp_path / "job server.jar"
    jar.write_bytes(b"")
    flags = [
        "--flink_master=localhost:8081",
        "--parallelism=2",
        "--environment_type=EXTERNAL",
        "--environment_config=localhost:50000",
        "--project=p",
        "--region=europe-west4",
        "--temp_location=gs://bucket/temp",
        "--sdk_container_image=registry/reelflow:1",
        "--spark_master_url=spark://host:7077",
    ]

    taken = checked_flags(" ".join(flags) + f" '--flink_job_server_jar={jar}'")

    assert taken == [*flags, f"--flink_job_server_jar={jar}"]


def run(manifest: tuple[Path, str], out: Path, **parameters: object) -> str:
    return extract_frames.python_func(
        videos=dsl.Dataset(uri=str(manifest[0])), videos_digest=manifest[1], clips=dsl.Dataset(uri=str(out / "clips")),
        rejects=dsl.Dataset(uri=str(out / "rejects")), report=dsl.Metrics(uri=str(out / "report")),
        record=dsl.Artifact(uri=str(out / "record")), n_frames=16, frame_height=64, frame_width=96, shard_mib=1,
        **{"store_dir": "", "workers": 2, **parameters},
    )  # fmt: skip


@pytest.fixture
def worker_pool_port() -> Iterator[int]:
    """Port of Beam's pool of external workers in this environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pool = subprocess.Popen(
        [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={port}"],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert pool.poll() is None, "Beam's worker pool ended at once"
            time.sleep(0.1)
        yield port
    finally:
        pool.terminate()
        pool.wait(timeout=30)


def engine_options(engine: str, port: int) -> str:
    """Options for a real engine on this machine, or skip where it is not here."""
    if engine == "PrismRunner":
        if _PRISM not in os.environ:
            pytest.skip(
                f"{_PRISM} names no Prism binary: go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0"
            )
        options = f"--prism_location={os.environ[_PRISM]}"
    else:
        if _JAR not in os.environ:
            pytest.skip(f"{_JAR} names no job server: get beam-runners-flink-1.19-job-server of Beam's version")
        options = f"--flink_job_server_jar={os.environ[_JAR]} --flink_master=[local] --parallelism=2"
    return f"{options} --environment_type=EXTERNAL --environment_config=localhost:{port} --sdk_worker_parallelism=2"


def processes_of(text: bytes) -> list[int]:
    """Processes whose command line holds a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return sorted(found)


@pytest.fixture
def many(tmp_path: Path, videos: Videos, manifest_of: ManifestOf) -> tuple[Path, str]:
    """Manifest of 300 videos in several shards."""
    listed = list(videos)
    for number in range(290):
        source, label, split = videos[number % len(videos)]
        path = tmp_path / f"more_{number}.avi"
        path.write_bytes(source.read_bytes())
        listed.append((path, label, split))
    return manifest_of(tmp_path / "videos", listed)


def kill_one_half_way(out: Path, text: bytes) -> list[int]:
    """Kill one process that starts from now on, as soon as two shards are written; its id will stand in the list."""
    others, killed = set(processes_of(text)), []

    def kill() -> None:
        while len(list((out / "clips").glob("*.tfrecord"))) < 2:
            time.sleep(0.01)
        ours = [process for process in processes_of(text) if process not in others]
        os.kill(ours[0], signal.SIGKILL)
        killed.append(ours[0])

    threading.Thread(target=kill, daemon=True).start()
    return killed


@pytest.mark.engines
@pytest.mark.filterwarnings("ignore")  # Beam's portable runners leave sockets and subprocesses to the garbage collector
@pytest.mark.parametrize("engine", ["PrismRunner", "FlinkRunner"])
def test_an_engine_with_two_decoders_one_of_them_killed_half_way_loses_nothing_and_gives_the_same_bytes(
    tmp_path: Path, many: tuple[Path, str], worker_pool_port: int, engine: str
) -> None:
    options = engine_options(engine, worker_pool_port)
    here = run(many, tmp_path / "here")
    killed = kill_one_half_way(tmp_path / "there", _DECODING)

    there = run(many, tmp_path / "there", beam_runner=engine, beam_options=options)

    assert killed
    assert there == here
    assert read_clips(tmp_path / "there" / "clips").n_clips("train") == 180


@pytest.mark.engines
@pytest.mark.filterwarnings("ignore")
def test_when_prism_loses_its_worker_half_way_the_step_fails_at_once_and_a_retry_gives_the_same_bytes(
    tmp_path: Path, many: tuple[Path, str], worker_pool_port: int
) -> None:
    engine = {"beam_runner": "PrismRunner", "beam_options": engine_options("PrismRunner", worker_pool_port)}
    here = run(many, tmp_path / "here")
    killed = kill_one_half_way(tmp_path / "there", _ENGINE_WORKER)

    with pytest.raises(StepError, match=r"PrismRunner ended the job.*worker disconnected"):
        run(many, tmp_path / "there", **engine)
    finished_after_the_kill = (tmp_path / "there" / "clips" / MARKER_NAME).exists()
    there = run(many, tmp_path / "there", **engine)

    assert killed
    assert not finished_after_the_kill
    assert there == here
    assert read_clips(tmp_path / "there" / "clips").n_clips("train") == 180
