"""What the table of resources says is what the compiled pipeline asks a cluster for."""

import time
from pathlib import Path
from typing import Any

import pytest
from kfp import compiler, dsl

from components.image import component
from pipelines.console import Console
from pipelines.local_run import StepFailedError, start
from pipelines.parameters import read_specs
from pipelines.resources import RESOURCES, give_resources
from pipelines.runs import find_run
from pipelines.single_step import step_names
from pipelines.workspace import Workspace

PIPELINE, PLATFORM = read_specs()
STEPS = sorted(RESOURCES)


def pod(step: str) -> dict[str, Any]:
    executors = PLATFORM["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return dict(executors[f"exec-{step.replace('_', '-')}"])


def container(step: str) -> dict[str, Any]:
    return dict(PIPELINE["deploymentSpec"]["executors"][f"exec-{step.replace('_', '-')}"]["container"]["resources"])


def test_every_step_has_its_line_in_the_table() -> None:
    assert step_names() == STEPS


@pytest.mark.parametrize("step", STEPS)
def test_step_asks_for_processors_memory_and_time(step: str) -> None:
    given = RESOURCES[step]

    assert container(step)["resourceCpuRequest"] == given.cpu
    assert container(step)["resourceMemoryRequest"] == given.memory
    assert container(step)["resourceMemoryLimit"] == given.memory_limit
    assert pod(step)["activeDeadlineSeconds"] == str(given.timeout_s)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_goes_to_a_node_that_can_run_the_image(step: str) -> None:
    assert pod(step)["nodeSelector"] == {"labels": {"kubernetes.io/arch": "amd64"}}


def test_steps_that_touch_network_or_shared_folder_try_again_with_growing_pauses() -> None:
    tasks = PIPELINE["root"]["dag"]["tasks"]

    policies = {name: task["retryPolicy"] for name, task in tasks.items() if "retryPolicy" in task}

    growing = {"backoffDuration": "30s", "backoffFactor": 2.0, "backoffMaxDuration": "600s"}
    assert policies == {
        "ingest-videos": {**growing, "maxRetryCount": 3},
        "find-baseline": {**growing, "maxRetryCount": 3},
        "extract-frames": {**growing, "maxRetryCount": 1},
        "push-model": {**growing, "maxRetryCount": 3},
    }


def test_training_and_nothing_else_asks_for_an_accelerator_its_nodes_and_shared_memory() -> None:
    accelerated = [step for step in STEPS if "accelerator" in container(step)]

    assert accelerated == ["train_model"]
    accelerator = container("train_model")["accelerator"]
    assert (accelerator["resourceType"], accelerator["resourceCount"]) == ("nvidia.com/gpu", "1")
    assert pod("train_model")["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    assert pod("train_model")["emptyDirMounts"] == [
        {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "2Gi"}
    ]


def test_steps_with_store_or_serving_directory_mount_the_claim() -> None:
    mounts = {step: [mount["mountPath"] for mount in pod(step).get("pvcMount", [])] for step in STEPS}

    needs_a_folder = {
        name.removeprefix("comp-").replace("-", "_")
        for name, component_spec in PIPELINE["components"].items()
        if {"store_dir", "serving_dir"} & set(component_spec["inputDefinitions"].get("parameters", {}))
    }
    assert {step for step, paths in mounts.items() if paths == ["/reelflow"]} == needs_a_folder | {"extract_frames"}


def test_proxy_and_source_authorization_come_from_secrets_that_need_not_exist() -> None:
    secrets = {each["secretName"]: each for each in pod("ingest_videos")["secretAsEnv"]}

    variables = {name: {pair["envVar"] for pair in each["keyToEnv"]} for name, each in secrets.items()}
    assert all(each["optional"] is True for each in secrets.values())
    assert variables == {
        "reelflow-network": {"HTTPS_PROXY", "NO_PROXY"},
        "reelflow-secrets": {"REELFLOW_SOURCE_AUTH"},
    }


def test_no_other_step_is_given_a_secret() -> None:
    given = [step for step in STEPS if "secretAsEnv" in pod(step)]

    assert given == ["ingest_videos"]


@component
def train_model(broken: bool = True) -> str:
    """Fail.

    Args:
        broken: Whether to fail.
    """
    if broken:
        raise ValueError("planted")
    return "trained"


def test_failing_step_on_this_machine_fails_at_once_and_without_warnings(
    workspace: Workspace, tmp_path: Path, console: Console
) -> None:
    @dsl.pipeline(name="failing")
    def failing(store_dir: str, serving_dir: str) -> None:
        task = train_model()
        give_resources(task)
        task.set_retry(3, "60s")

    compiled = tmp_path / "failing.yaml"
    compiler.Compiler().compile(failing, str(compiled))
    started = time.monotonic()

    with pytest.raises(StepFailedError):
        start(workspace, {}, console=console, compiled=compiled)

    assert time.monotonic() - started < 30
    assert "no effect" not in (find_run(workspace, "latest").folder / "logs" / "kfp.log").read_text()
