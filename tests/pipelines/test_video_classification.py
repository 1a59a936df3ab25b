"""The DAG, its compiled form and its picture in the README say the same."""

import re
from pathlib import Path

from pipelines.compiling import compile_pipeline
from pipelines.parameters import COMPILED, read_specs
from pipelines.single_step import step_names

README = Path(__file__).parents[2] / "README.md"


def arrows() -> set[tuple[str, str]]:
    tasks = read_specs()[0]["root"]["dag"]["tasks"]
    return {
        (before.replace("-", "_"), name.replace("-", "_"))
        for name, task in tasks.items()
        for before in task.get("dependentTasks", [])
    }


def test_committed_yaml_is_fresh() -> None:
    assert COMPILED.read_text() == compile_pipeline(), "Run `reelflow compile` and commit the result."


def test_readme_draws_the_arrows_of_the_compiled_dag() -> None:
    drawn = set(re.findall(r"^ *(\w+) --> (\w+)$", README.read_text(), flags=re.MULTILINE))

    assert drawn == arrows()


def test_every_step_is_one_box_and_keeps_its_name() -> None:
    tasks = read_specs()[0]["root"]["dag"]["tasks"]

    assert sorted(name.replace("-", "_") for name in tasks) == step_names()


def test_what_looks_at_the_world_is_never_cached() -> None:
    tasks = read_specs()[0]["root"]["dag"]["tasks"]

    uncached = {name for name, task in tasks.items() if not task["cachingOptions"].get("enableCache", False)}
    assert uncached == {"ingest-videos", "find-baseline", "push-model"}


def test_training_waits_for_validation_by_data() -> None:
    parameters = read_specs()[0]["root"]["dag"]["tasks"]["train-model"]["inputs"]["parameters"]

    assert parameters["clips_digest"]["taskOutputParameter"]["producerTask"] == "validate-clips"
