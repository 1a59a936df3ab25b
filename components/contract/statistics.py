"""Statistics of clips: what validate_clips writes, and what later runs measure drift against."""

from collections.abc import Mapping
from pathlib import Path

from components.contract.finished import Finished, finish, read_finished

KIND = "statistics"
STATISTICS_NAME = "statistics.pb"  # a DatasetFeatureStatisticsList, one dataset named after each split
SCHEMA_NAME = "schema.pbtxt"
FINDINGS_NAME = "findings.json"


def finish_statistics(folder: Path, *, clips_digest: str, n_clips: Mapping[str, int]) -> Finished:
    """Mark a folder of statistics as finished.

    Args:
        folder: Holds STATISTICS_NAME, SCHEMA_NAME and FINDINGS_NAME.
        clips_digest: Of the clips that the statistics are about.
        n_clips: Number of clips per split.
    """
    return finish(folder, kind=KIND, properties={"clips_digest": clips_digest, "n_clips": dict(n_clips)})


def read_statistics(folder: Path, *, digest: str | None = None) -> Finished:
    """Verify a folder of statistics and return its marker.

    Raises:
        StepError: If it is unfinished, damaged, or not the promised one.
    """
    return read_finished(folder, kind=KIND, digest=digest)
