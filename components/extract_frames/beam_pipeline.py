"""The Apache Beam job: shards to write in; rows of the clip table and rejects out."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import apache_beam as beam  # noqa: TID253 - only a running extraction imports this module
from apache_beam.metrics import Metrics  # noqa: TID253 - as above
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: TID253 - as above
from apache_beam.runners.portability.fn_api_runner import FnApiRunner  # noqa: TID253 - as above

from components.contract.clips import ClipRow, Reject
from components.contract.progress import Progress
from components.extract_frames.clip import Extraction
from components.extract_frames.shard_writing import write_shard
from components.extract_frames.shards import ShardPlan

_REJECTS = "rejects"


class WriteShard(beam.DoFn):  # type: ignore[misc] # Beam is untyped here
    """Writes a shard; yields a row per clip, and each reject to its own output.

    Args:
        folder: Where shards go.
        extraction: How clips are made.
        workers: Videos decoded at the same time.
        n_videos: In all shards, for the progress line.
    """

    def __init__(self, *, folder: Path, extraction: Extraction, workers: int, n_videos: int) -> None:
        self._folder, self._extraction, self._workers, self._n_videos = folder, extraction, workers, n_videos

    def setup(self) -> None:
        """Start counting."""
        self._progress = Progress("videos", self._n_videos)

    def process(self, plan: ShardPlan) -> Iterator[ClipRow | beam.pvalue.TaggedOutput[Literal["rejects"], Reject]]:
        """Write one shard."""
        outcomes = write_shard(plan, folder=self._folder, extraction=self._extraction, workers=self._workers)
        for outcome in outcomes:
            self._progress.add(detail=plan.name)
            if isinstance(outcome, Reject):
                Metrics.counter("extract_frames", f"rejects_{outcome.reason}").inc()
                yield beam.pvalue.TaggedOutput(_REJECTS, outcome)
            else:
                Metrics.counter("extract_frames", f"clips_{plan.split}").inc()
                yield outcome


def run(
    plans: Sequence[ShardPlan], *, folder: Path, extraction: Extraction, workers: int, work_folder: Path
) -> tuple[list[ClipRow], list[Reject]]:
    """Write all shards and return what became of the videos.

    Args:
        plans: The shards.
        folder: Where they go.
        extraction: How clips are made.
        workers: Videos decoded at the same time.
        work_folder: Takes the job's own output files.

    Raises:
        StepError: If a shard cannot be written.
    """
    n_videos = sum(len(plan.videos) for plan in plans)
    rows_path, rejects_path = work_folder / "rows.jsonl", work_folder / "rejects.jsonl"
    writing = WriteShard(folder=folder, extraction=extraction, workers=workers, n_videos=n_videos)
    try:
        # The runner by name: a plain DirectRunner first looks for a Go binary on the internet.
        with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions(flags=[])) as pipeline:
            written = (
                pipeline
                | "List shards" >> beam.Create(list(plans))
                | "Write shards" >> beam.ParDo(writing).with_outputs(_REJECTS, main="rows")
            )
            _write_lines(written["rows"], rows_path, "rows")
            _write_lines(written[_REJECTS], rejects_path, "rejects")
    except RuntimeError as error:
        raise _unwrapped(error) from None
    rows = [ClipRow(**json.loads(line)) for line in rows_path.read_text().splitlines()]
    rejects = [Reject(**json.loads(line)) for line in rejects_path.read_text().splitlines()]
    return rows, rejects


def _write_lines(outcomes: beam.PCollection, path: Path, name: str) -> None:
    lines = outcomes | f"Encode {name}" >> beam.Map(lambda outcome: json.dumps(asdict(outcome)))
    lines | f"Write {name}" >> beam.io.WriteToText(str(path), shard_name_template="", num_shards=1)


def _unwrapped(error: BaseException) -> BaseException:
    """Return what ended a DoFn: Beam raises a RuntimeError in its place, even for the order to end."""
    while isinstance(error, RuntimeError) and error.__context__ is not None:
        error = error.__context__
    return error
