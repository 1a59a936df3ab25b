"""Schedules of a cluster: compare them with a file's, make the cluster agree.

KFP cannot change a recurring run, and lets two have one name. So a schedule is known by its name; one that differs is
replaced: the new one is made first, then the old one goes, so that a failure between the two leaves one too many, and
the next apply takes it away.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.cluster.client import NOT_FOUND, Api, ApiError, equals
from pipelines.cluster.cron import six_fields
from pipelines.cluster.schedule_file import ScheduleError, Wanted
from pipelines.cluster.submission import (
    Placement,
    create_run,
    experiment_id,
    reference,
    run_body,
    upload,
)

UNCHANGED, CREATED, REPLACED, PAUSED, RESUMED = "unchanged", "created", "replaced", "paused", "resumed"


@dataclass(frozen=True)
class Difference:
    """A field in which the cluster and the file differ.

    Attributes:
        field: Its name.
        on_cluster: What the cluster has; None where there is no such schedule.
        in_file: What the file says.
    """

    field: str
    on_cluster: Any
    in_file: Any


def live_schedules(api: Api) -> list[dict[str, Any]]:
    """Return the cluster's recurring runs, as the API gives them."""
    return list(api.listed("recurringruns", "recurringRuns", namespace=api.namespace))


def find_live(api: Api, name: str) -> list[dict[str, Any]]:
    """Return the cluster's recurring runs of that name; more than one only after an apply that broke off.

    Raises:
        ScheduleError: If there is none.
    """
    found = _live(api, name)
    if not found:
        known = [each.get("display_name", "") for each in live_schedules(api)]
        near = difflib.get_close_matches(name, known, n=1)
        raise ScheduleError(
            f"There is no schedule {name!r} at {api.host}.",
            remedy=f"Did you mean {near[0]}?" if near else "`reelflow schedule list --host …` lists them.",
        )
    return found


def shown(live: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a list shows of a recurring run."""
    trigger = live.get("trigger", {})
    interval_s = trigger.get("periodic_schedule", {}).get("interval_second", "?")
    return {
        "name": live.get("display_name", ""),
        "status": "enabled" if _is_enabled(live) else "paused",
        "cron": trigger.get("cron_schedule", {}).get("cron") or f"every {interval_s} s",
        "concurrency": int(live.get("max_concurrency", 1)),
        "catch_up": not live.get("no_catchup", False),
        "created_at": live.get("created_at", ""),
        "id": live["recurring_run_id"],
    }


def differences(api: Api, wanted: Wanted) -> list[Difference]:
    """Return in which fields the cluster differs from the file; nothing is changed."""
    live = _live(api, wanted.schedule.name)
    in_file = _stated(wanted)
    if not live:
        return [Difference("name", None, wanted.schedule.name)]
    compared = [_differing(_stated_live(api, each), in_file) for each in live]
    extra = [Difference("copies", len(live), 1)] if len(live) > 1 else []
    return min(compared, key=len) + extra


def apply(api: Api, wanted: Wanted) -> str:
    """Make the cluster agree with the file, and return what that took: one of the words above."""
    before = _live(api, wanted.schedule.name)
    version = reference(upload(api, wanted.prepared))
    kept, is_new = api.made_once(lambda: _match(api, wanted), lambda: _create(api, wanted, version))
    switched = _is_enabled(kept) != wanted.schedule.enabled
    if switched:
        switch(api, kept, on=wanted.schedule.enabled)
    for other in _live(api, wanted.schedule.name):
        if other["recurring_run_id"] != kept["recurring_run_id"]:
            api.delete(f"recurringruns/{other['recurring_run_id']}")
    if is_new:
        return REPLACED if before else CREATED
    if len(before) > 1:
        return REPLACED
    return (RESUMED if wanted.schedule.enabled else PAUSED) if switched else UNCHANGED


def run_of(api: Api, live: Mapping[str, Any]) -> dict[str, Any]:
    """Create a run with the version and the parameters of a recurring run, and return it.

    Raises:
        ScheduleError: If the recurring run names no version.
    """
    if not live.get("pipeline_version_reference", {}).get("pipeline_version_id"):
        raise ScheduleError(
            f"The schedule {live['display_name']} names no version of a pipeline: something else made it.",
            remedy="Make it anew with `reelflow schedule apply`.",
        )
    config = live.get("runtime_config", {})
    placement = Placement(
        pipeline_root=config.get("pipeline_root", ""), service_account=live.get("service_account", "")
    )
    return create_run(
        api,
        live["pipeline_version_reference"],
        experiment=live["experiment_id"],
        parameters=config.get("parameters", {}),
        placement=placement,
        pipeline=live["display_name"],
    )


def switch(api: Api, live: Mapping[str, Any], *, on: bool) -> None:
    """Let a recurring run start runs, or not."""
    api.act(f"recurringruns/{live['recurring_run_id']}:{'enable' if on else 'disable'}")


def _live(api: Api, name: str) -> list[dict[str, Any]]:
    found = api.listed("recurringruns", "recurringRuns", filter=equals("display_name", name), namespace=api.namespace)
    return [each for each in found if each.get("display_name") == name]


def _match(api: Api, wanted: Wanted) -> dict[str, Any] | None:
    in_file = _stated(wanted)
    for each in _live(api, wanted.schedule.name):
        if all(difference.field == "enabled" for difference in _differing(_stated_live(api, each), in_file)):
            return each
    return None


def _create(api: Api, wanted: Wanted, version: Mapping[str, str]) -> dict[str, Any]:
    schedule = wanted.schedule
    body = run_body(
        schedule.name,
        version,
        experiment=experiment_id(api, schedule.experiment),
        parameters=wanted.prepared.parameters,
        placement=schedule.placement,
    )
    return dict(
        api.create(
            "recurringruns",
            {
                **body,
                "description": f"{schedule.cron} {schedule.time_zone}",
                "trigger": {"cron_schedule": {"cron": six_fields(schedule.cron)}},
                "mode": "ENABLE" if schedule.enabled else "DISABLE",
                "max_concurrency": str(schedule.concurrency),  # int64 is text in protobuf's JSON
                "no_catchup": not schedule.catch_up,
            },
        )
    )


def _stated(wanted: Wanted) -> dict[str, Any]:
    """Return what the file says, in the terms in which the cluster can be asked."""
    schedule = wanted.schedule
    return {
        "version": wanted.prepared.version,
        "cron": six_fields(schedule.cron),
        "parameters": wanted.prepared.parameters,
        "concurrency": schedule.concurrency,
        "catch_up": schedule.catch_up,
        "enabled": schedule.enabled,
        "experiment": schedule.experiment,
        "pipeline_root": schedule.pipeline_root,
        "service_account": schedule.service_account,
    }


def _stated_live(api: Api, live: Mapping[str, Any]) -> dict[str, Any]:
    version = live.get("pipeline_version_reference", {})
    version_id = version.get("pipeline_version_id")  # absent where the recurring run holds its pipeline itself
    version_path = f"pipelines/{version.get('pipeline_id')}/versions/{version_id}"
    config = live.get("runtime_config", {})
    return {
        "version": _name_at(api, version_path) if version_id else "",
        "cron": live.get("trigger", {}).get("cron_schedule", {}).get("cron", ""),
        "parameters": config.get("parameters", {}),
        "concurrency": int(live.get("max_concurrency", 1)),
        "catch_up": not live.get("no_catchup", False),
        "enabled": _is_enabled(live),
        "experiment": _name_at(api, f"experiments/{live.get('experiment_id')}"),
        "pipeline_root": config.get("pipeline_root", ""),
        "service_account": live.get("service_account", ""),
    }


def _name_at(api: Api, path: str) -> str:
    try:
        return str(api.get(path).get("display_name", ""))
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return ""  # deleted since: so the schedule differs, and is replaced


def _differing(on_cluster: Mapping[str, Any], in_file: Mapping[str, Any]) -> list[Difference]:
    # the cluster fills in a service account where the file leaves it to the cluster
    left_out = {name for name in ("service_account", "pipeline_root") if not in_file[name]}
    return [
        Difference(name, on_cluster[name], value)
        for name, value in in_file.items()
        if name not in left_out and on_cluster[name] != value
    ]


def _is_enabled(live: Mapping[str, Any]) -> bool:
    return live.get("status", live.get("mode")) in ("ENABLED", "ENABLE")
