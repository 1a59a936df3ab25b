"""The verdict: may this model be pushed? evaluate_model decides, push_model obeys."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.contract.errors import StepError
from components.contract.files import write_json
from components.contract.finished import Finished, finish, read_finished

KIND = "evaluation"
VERDICT_NAME = "verdict.json"
SCORES_NAME = "scores.json"


@dataclass(frozen=True)
class Rule:
    """One rule of the gate, with its numbers.

    Attributes:
        name: The parameter that sets it, e.g. `min_accuracy`.
        passed: Whether the model keeps it.
        found: The measured number, or None where the rule does not apply.
        wanted: The number asked for, or None where the rule does not apply.
        sentence: What a person reads.
    """

    name: str
    passed: bool
    found: float | None
    wanted: float | None
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """The gate's answer.

    Attributes:
        may_push: Whether every rule passed.
        rules: Each rule.
        model_digest: The model that was judged.
        clips_digest: The clips that it was judged on.
        baseline_version: The served version that it was compared with, or None where there was none.
        scores: The headline numbers (accuracy, its interval, number of videos and groups).
    """

    may_push: bool
    rules: tuple[Rule, ...]
    model_digest: str
    clips_digest: str
    baseline_version: int | None
    scores: dict[str, Any]


def finish_evaluation(folder: Path, *, verdict: Verdict, scores: dict[str, Any]) -> Finished:
    """Write scores and verdict and mark the folder finished."""
    write_json(folder / SCORES_NAME, scores)
    write_json(folder / VERDICT_NAME, asdict(verdict))
    return finish(folder, kind=KIND, properties={"may_push": verdict.may_push})


def read_verdict(folder: Path, *, digest: str | None = None) -> Verdict:
    """Read and verify a verdict.

    Raises:
        StepError: If it is unfinished, damaged, or not the promised one.
    """
    read_finished(folder, kind=KIND, digest=digest)
    try:
        stored = json.loads((folder / VERDICT_NAME).read_text())
        stored["rules"] = tuple(Rule(**rule) for rule in stored["rules"])
        return Verdict(**stored)
    except (ValueError, KeyError, TypeError) as error:
        raise StepError(f"{folder} has no readable verdict ({error}).", remedy="Run evaluate_model again.") from error
