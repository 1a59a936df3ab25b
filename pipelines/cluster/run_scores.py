"""The scores of a cluster's runs, from the records in their pipeline roots."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from components.contract.errors import StepError
from pipelines.cluster.client import Api, ApiError
from pipelines.cluster.recorded_steps import ClusterRun, ForeignRecordError, NoRecordError

_AT_A_TIME = 8


def scores_of(
    api: Api, runs: Sequence[Mapping[str, Any]], *, pipeline_root: str = ""
) -> tuple[list[dict[str, Any]], str]:
    """Return the scores of each run, empty where it has none or they cannot be read, and why the first cannot.

    A root that refused once is not asked again: a list of runs must not wait for each of them.
    """
    faults: dict[str, str] = {}

    def scores(run: ClusterRun) -> dict[str, Any]:
        if run.root in faults:
            return {}
        try:
            return run.scores()
        except (ApiError, NoRecordError, ForeignRecordError):
            return {}  # says nothing of the other runs
        except StepError as error:
            faults[run.root] = f"{error.found} {error.remedy}"
            return {}

    found = [ClusterRun(api, run, pipeline_root=pipeline_root) for run in runs]
    first, others = found[:1], found[1:]
    read = [scores(run) for run in first]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        read += pool.map(scores, others)
    return read, next(iter(faults.values()), "")
