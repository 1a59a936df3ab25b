"""A real run of two of our steps, and its outputs laid out in a bucket as KFP's backend names them."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components.contract import buckets
from components.contract.step_record import RECORD_NAME
from components.extract_frames.component import extract_frames
from components.image import component
from components.ingest_videos.component import ingest_videos
from pipelines.runs import Run

Put = Callable[[str, bytes], None]
SMALL = {"classes": ["RaiseArms", "LowerArms"], "n_frames": 3, "frame_height": 24, "frame_width": 40}


@component
def evaluate_model(clips: Input[Dataset], clips_digest: str, record: Output[Artifact]) -> str:
    """Stand for the evaluation, whose metrics are a run's scores.

    Args:
        clips: The clips.
        clips_digest: Their digest.
        record: What the step was given and left.
    """
    from components.contract.step_record import step_record

    with step_record(evaluate_model, locals()) as step:
        step.metrics["accuracy"] = 0.875
        return clips_digest


@dsl.pipeline(name="video-classification")
def small_pipeline(
    source: str,
    store_dir: str,
    serving_dir: str,
    classes: list = [],  # noqa: B006 - kfp takes no None here
    n_frames: int = 16,
    frame_height: int = 112,
    frame_width: int = 112,
) -> None:
    ingested = ingest_videos(source=source, store_dir=store_dir, classes=classes)
    ingested.set_caching_options(False)
    extracted = extract_frames(
        videos=ingested.outputs["videos"],
        videos_digest=ingested.outputs["Output"],
        store_dir="",
        n_frames=n_frames,
        frame_height=frame_height,
        frame_width=frame_width,
    )
    evaluate_model(clips=extracted.outputs["clips"], clips_digest=extracted.outputs["Output"])


@dataclass(frozen=True)
class Recorded:
    """A run of the fake cluster whose artifacts are in a bucket.

    Attributes:
        url: Of the API.
        run_id: KFP's id.
        root: Its pipeline root.
        put: Writes an object of the bucket.
        records: Address and text of each step's record.
    """

    url: str
    run_id: str
    root: str
    put: Put
    records: dict[str, tuple[str, str]]

    def change(self, of: str, **fields: Any) -> None:
        """Replace fields of a step's record."""
        uri, text = self.records[of]
        self.put(uri, json.dumps({**json.loads(text), **fields}).encode())


def laid_out(done: Run, *, root: str, run_id: str, put: Put) -> dict[str, tuple[str, str]]:
    """Put what a run left below a root as KFP's driver names it: pipeline, run, task, a uuid, output."""
    outputs = {name: state for state in done.steps for name in [state.step]}
    addresses = {
        str(state.output_path(output)): f"{root}/{done.pipeline}/{run_id}/{step.replace('_', '-')}/{salt}/{output}"
        for step, state in outputs.items()
        for salt in [uuid.uuid4()]
        for output in state.outputs
        if state.output_path(output)
    }
    records = {}
    for path, address in addresses.items():
        files = [Path(path)] if Path(path).is_file() else [each for each in Path(path).rglob("*") if each.is_file()]
        for file in files:
            data = file.read_bytes()
            uri = address + str(file).removeprefix(path)
            if file.name == RECORD_NAME:
                for local in sorted(addresses, key=len, reverse=True):
                    data = data.replace(f'"{local}"'.encode(), f'"{addresses[local]}"'.encode())
                records[json.loads(data)["step"]] = (uri, data.decode())
            put(uri, data)
    return records


def put_gs(uri: str, data: bytes) -> None:
    found = buckets.find_file(uri)
    buckets.write_bytes(uri, data, replaces=found.generation if found else 0)
