"""The Apache Beam job: shards to write in; rows of the clip table and rejects out."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import apache_beam as beam  # noqa: TID253 - only a running extraction imports this module
from apache_beam.metrics import Metrics  # noqa: TID253 - as above
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: TID253 - as above
from apache_beam.runners.portability.fn_api_runner import FnApiRunner  # noqa: TID253 - as above
from apache_beam.utils.shared import Shared  # noqa: TID253 - as above

from components.contract.clips import ClipRow, Reject
from components.contract.errors import StepError
from components.contract.progress import Progress
from components.extract_frames.clip import Extraction
from components.extract_frames.shard_writing import write_shard
from components.extract_frames.shards import ShardPlan

_REJECTS = "rejects"


@dataclass
class _Job:
    """What a running job's threads tell each other past Beam, which copies DoFns and turns errors into text.

    Attributes:
        is_over: Nobody waits for more: the step was told to end, or failed.
        fault: The StepError that ended it.
    """

    is_over: bool = False
    fault: StepError | None = None


class WriteShard(beam.DoFn):  # type: ignore[misc] # Beam is untyped here
    """Writes a shard; yields a row per clip, and each reject to its own output.

    Args:
        folder: Where shards go.
        extraction: How clips are made.
        workers: Videos decoded at the same time.
        n_videos: In all shards, for the progress line.
        job: Shared with `run`, where both are one process.
    """

    def __init__(self, *, folder: Path, extraction: Extraction, workers: int, n_videos: int, job: Shared) -> None:
        self._folder, self._extraction, self._workers = folder, extraction, workers
        self._n_videos, self._shared_job = n_videos, job

    def setup(self) -> None:
        """Start counting."""
        self._job: _Job = self._shared_job.acquire(_Job)
        self._progress = Progress("videos", self._n_videos)

    def process(self, plan: ShardPlan) -> Iterator[ClipRow | beam.pvalue.TaggedOutput[Literal["rejects"], Reject]]:
        """Write one shard."""
        written = write_shard(plan, folder=self._folder, extraction=self._extraction, workers=self._workers)
        with closing(written) as outcomes:
            try:
                while not self._job.is_over and (outcome := next(outcomes, None)):
                    yield self._counted(outcome, plan)
            except StepError as error:
                self._job.fault = error
                raise

    def _counted(
        self, outcome: ClipRow | Reject, plan: ShardPlan
    ) -> ClipRow | beam.pvalue.TaggedOutput[Literal["rejects"], Reject]:
        self._progress.add(detail=plan.name)
        if isinstance(outcome, Reject):
            Metrics.counter("extract_frames", f"rejects_{outcome.reason}").inc()
            return beam.pvalue.TaggedOutput(_REJECTS, outcome)
        Metrics.counter("extract_frames", f"clips_{plan.split}").inc()
        return outcome


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
        StepError: If the disk is full or refuses.
    """
    n_videos = sum(len(plan.videos) for plan in plans)
    rows_path, rejects_path = work_folder / "rows.jsonl", work_folder / "rejects.jsonl"
    shared = Shared()
    job = shared.acquire(_Job)
    writing = WriteShard(folder=folder, extraction=extraction, workers=workers, n_videos=n_videos, job=shared)
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
    except RuntimeError:
        if job.fault:
            raise job.fault from None
        raise
    finally:
        job.is_over = True
    rows = [ClipRow(**json.loads(line)) for line in rows_path.read_text().splitlines()]
    rejects = [Reject(**json.loads(line)) for line in rejects_path.read_text().splitlines()]
    return rows, rejects


def _write_lines(outcomes: beam.PCollection, path: Path, name: str) -> None:
    lines = outcomes | f"Encode {name}" >> beam.Map(lambda outcome: json.dumps(asdict(outcome)))
    lines | f"Write {name}" >> beam.io.WriteToText(str(path), shard_name_template="", num_shards=1)
