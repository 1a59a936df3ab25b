"""The Apache Beam job: each plan's shards are written by whichever worker of the engine gets it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import apache_beam as beam  # noqa: TID253 - only a running extraction imports this module
from apache_beam.metrics import Metrics  # noqa: TID253 - as above
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: TID253 - as above

from components.contract import buckets
from components.contract.errors import StepError
from components.contract.progress import Progress
from components.extract_frames.destination import landing
from components.extract_frames.engine import IN_PROCESS, Engine, runner_of
from components.extract_frames.shard_writing import ShardWriting, Written, all_written, write_shards
from components.extract_frames.shards import ShardPlan
from components.extract_frames.worker_pool import close_pools

OUTCOMES_FOLDER = "_outcomes"


class WriteShards(beam.DoFn):  # type: ignore[misc] # Beam is untyped here
    """Writes the shards of a plan, then what became of its videos; yields the plan's name.

    Rows and rejects go to a file per plan beside the shards instead of through the engine: both land whole or not at
    all, a second try replaces them, and no engine has to bring them together.

    Args:
        writing: How and where.
        n_videos: In all plans, for the progress line.
    """

    def __init__(self, *, writing: ShardWriting, n_videos: int) -> None:
        self._writing, self._n_videos = writing, n_videos

    def setup(self) -> None:
        """Start counting."""
        self._progress = Progress("videos", self._n_videos)

    def process(self, plan: ShardPlan) -> Iterator[str]:
        """Write the shards of one plan."""
        written = write_shards(plan, writing=self._writing, done=lambda: self._progress.add(detail=plan.name))
        with landing(self._writing.destination, _outcome_name(plan)) as path:
            path.write_text(written.to_json())
        Metrics.counter("extract_frames", f"clips_{plan.split}").inc(len(written.rows))
        for reject in written.rejects:
            Metrics.counter("extract_frames", f"rejects_{reject.reason}").inc()
        yield plan.name


def run(
    plans: Sequence[ShardPlan], *, writing: ShardWriting, engine: Engine = IN_PROCESS, flags: Sequence[str] = ()
) -> Written:
    """Write all shards and return what became of the videos.

    Args:
        plans: Which videos go where.
        writing: How and where.
        engine: What runs the job.
        flags: Options of the engine.

    Raises:
        StepError: If a shard cannot be written, or the engine fails.
    """
    n_videos = sum(len(plan.videos) for plan in plans)
    work = beam.ParDo(WriteShards(writing=writing, n_videos=n_videos))
    try:
        with beam.Pipeline(runner=runner_of(engine), options=PipelineOptions(flags=list(flags))) as pipeline:
            # Without a shuffle an engine would give all plans to the worker that lists them.
            pipeline | "List plans" >> beam.Create(list(plans)) | "Spread" >> beam.Reshuffle() | "Write shards" >> work
    except RuntimeError as error:
        raise _unwrapped(error, engine=engine) from error
    finally:
        close_pools()
    return all_written([_outcome(plan, destination=writing.destination) for plan in plans])


def _outcome_name(plan: ShardPlan) -> str:
    return f"{OUTCOMES_FOLDER}/{plan.name}.json"


def _outcome(plan: ShardPlan, *, destination: str) -> str:
    place = f"{destination.rstrip('/')}/{_outcome_name(plan)}"
    try:
        if not buckets.is_bucket_uri(place):
            return Path(place).read_text()
        if buckets.find_file(place):
            return buckets.read_bytes(place).decode()
    except FileNotFoundError:
        pass
    raise StepError(
        f"The engine ended well, but {place} is not there.",
        remedy="Give the engine's workers the same folder as this step, or a gs:// artifact.",
    )


def _unwrapped(error: BaseException, *, engine: Engine) -> BaseException:
    """Return what ended a DoFn: Beam raises a RuntimeError in its place, even for the order to end."""
    if engine != IN_PROCESS:
        return StepError(
            f"{engine} ended the job: {str(error)[:2000]}", remedy="Read the engine's log, then resume the run."
        )
    while isinstance(error, RuntimeError) and error.__context__ is not None:
        error = error.__context__
    return error
