"""Schedules as a file says them: read it, and check all that can be checked without a cluster."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from components.contract.errors import StepError
from pipelines.cluster.cron import CronError, six_fields
from pipelines.cluster.submission import EXPERIMENT, Changes, Placement, Prepared, prepare


class ScheduleError(StepError):
    """A schedule file that cannot be right, or a schedule that is not there."""


@dataclass(frozen=True)
class Schedule:
    """One schedule, as its file says it.

    Attributes:
        name: Its name in KFP, by which it is found again.
        cron: Five fields (minutes first) or six (seconds first).
        time_zone: In which the cron is meant; KFP has one for the whole cluster, and it must be that one.
        parameters: Of its runs.
        concurrency: How many of its runs may run at once.
        catch_up: Whether runs that were missed while it was paused are made up for.
        enabled: Whether it starts runs.
        experiment: KFP's group of its runs.
        image: The image that every step runs in; empty keeps the compiled one.
        gpus: Accelerators of each step that asks for some; None keeps the compiled number, 0 asks for none.
        pipeline_root: Where artifacts go; empty for the cluster's default.
        service_account: What the pods run as; empty for the cluster's default.
    """

    name: str
    cron: str
    time_zone: str
    parameters: dict[str, Any] = field(default_factory=dict)
    concurrency: int = 1
    catch_up: bool = False
    enabled: bool = True
    experiment: str = EXPERIMENT
    image: str = ""
    gpus: int | None = None
    pipeline_root: str = ""
    service_account: str = ""

    @property
    def placement(self) -> Placement:
        """Where its runs belong and what they run as."""
        return Placement(
            experiment=self.experiment, pipeline_root=self.pipeline_root, service_account=self.service_account
        )


@dataclass(frozen=True)
class Wanted:
    """A schedule of a file with all that is sent for it, checked.

    Attributes:
        schedule: As the file says it.
        prepared: The pipeline and the parameters.
    """

    schedule: Schedule
    prepared: Prepared


def read_schedules(path: Path, *, cluster_time_zone: str = "UTC") -> list[Wanted]:
    """Read the schedules of a YAML file, one per document, and check all of them.

    Raises:
        ScheduleError: If the file or a field is not right.
        ParameterError: If a schedule's parameters do not fit the pipeline.
    """
    try:
        documents = [each for each in yaml.safe_load_all(path.read_text()) if each is not None]
    except (OSError, yaml.YAMLError) as error:
        raise ScheduleError(f"{path} cannot be read as YAML: {error}", remedy="Mend or name another file.") from error
    schedules = [_schedule(document, path, cluster_time_zone) for document in documents]
    names = [schedule.name for schedule in schedules]
    if not names or len(set(names)) < len(names):
        found = "names a schedule twice" if names else "holds no schedule"
        raise ScheduleError(f"{path} {found}.", remedy="Write one YAML document per schedule, each with its own name.")
    return [
        Wanted(each, prepare(each.parameters, changes=Changes(image=each.image, gpus=each.gpus))) for each in schedules
    ]


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "parameters": ("a mapping", lambda value: isinstance(value, dict)),
    "concurrency": ("a whole number from 1 to 10", lambda value: type(value) is int and 1 <= value <= 10),
    "catch_up": ("true or false", lambda value: isinstance(value, bool)),
    "enabled": ("true or false", lambda value: isinstance(value, bool)),
    "gpus": ("a whole number", lambda value: value is None or (type(value) is int and value >= 0)),
}
_TEXT: tuple[str, Callable[[Any], bool]] = ("text", lambda value: isinstance(value, str))


def _schedule(document: Any, path: Path, cluster_time_zone: str) -> Schedule:
    known = {each.name for each in fields(Schedule)}
    if not isinstance(document, dict):
        raise ScheduleError(f"{path} must hold `name: value` lines.", remedy="See `reelflow schedule apply --help`.")
    faults = [_unknown(str(name), known) for name in document if name not in known]
    faults += [f"{name} is missing." for name in ("name", "cron", "time_zone") if not document.get(name)]
    for name in known & set(document):
        kind, fits = _KINDS.get(name, _TEXT)
        if not fits(document[name]):
            faults.append(f"{name} must be {kind}, not {document[name]!r}.")
    if not faults:
        faults = _misunderstandings(Schedule(**document), cluster_time_zone)
    if faults:
        raise ScheduleError(f"{path}: {' '.join(faults)}", remedy="Mend the file; nothing has been sent.")
    return Schedule(**document)


def _misunderstandings(schedule: Schedule, cluster_time_zone: str) -> list[str]:
    faults = []
    try:
        six_fields(schedule.cron)
    except CronError as error:
        faults.append(f"cron: {error}.")
    if schedule.time_zone != cluster_time_zone:
        faults.append(
            f"time_zone is {schedule.time_zone}, but the cluster reads every cron in {cluster_time_zone}: write it in "
            "that zone. KFP has one zone for all schedules (cronScheduleTimezone in pipeline-install-config, UTC where "
            "nothing is said); where yours has another, say so with --cluster-time-zone."
        )
    return faults


def _unknown(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"There is no field {name}. " + (f"Did you mean {near[0]}?" if near else f"There are: {sorted(known)}.")
