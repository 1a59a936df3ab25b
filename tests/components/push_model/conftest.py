import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.contract.clips import ClipGeometry
from components.contract.files import emptied
from components.contract.model import SAVED_MODEL_NAME, TrainedModel, finish_model
from components.contract.statistics import FINDINGS_NAME, finish_statistics
from components.contract.verdict import Rule, Verdict, finish_evaluation

GEOMETRY = ClipGeometry(n_frames=4, frame_height=24, frame_width=32)


@dataclass(frozen=True)
class Judged:
    """A model with its evaluation and statistics, small and real in form."""

    root: Path
    model_digest: str
    evaluation_digest: str

    @property
    def arguments(self) -> dict[str, object]:
        return {
            "model": self.root / "model",
            "model_digest": self.model_digest,
            "evaluation": self.root / "evaluation",
            "evaluation_digest": self.evaluation_digest,
            "statistics": self.root / "statistics",
        }


def judged_model(root: Path, *, weights: str = "a", may_push: bool = True, about: str | None = None) -> Judged:
    saved = emptied(root / "model" / SAVED_MODEL_NAME)
    (saved / "variables").mkdir()
    (saved / "saved_model.pb").write_bytes(f"graph {weights}".encode())
    (saved / "variables" / "variables.index").write_bytes(weights.encode() * 1000)
    for name in ("model.keras", "labels.txt", "history.json"):
        (root / "model" / name).write_text("x")
    trained = TrainedModel("small", GEOMETRY, {"sampler": "even"}, ("run", "sit"), 10, {}, "")
    model = finish_model(root / "model", trained, weights_sha256=weights)
    rule = Rule("min_accuracy", may_push, 0.5, 0.8, "The accuracy is 0.50, less than the 0.80 asked for.")
    verdict = Verdict(may_push, (rule,), about or model.digest, "clips-1", None, {"accuracy": 0.5})
    emptied(root / "evaluation")
    evaluation = finish_evaluation(root / "evaluation", verdict=verdict, scores={})
    (emptied(root / "statistics") / FINDINGS_NAME).write_text(json.dumps([]))
    finish_statistics(root / "statistics", clips_digest="clips-1", n_clips={"train": 3})
    return Judged(root, model.digest, evaluation.digest)


@pytest.fixture
def judge(tmp_path):
    return lambda name="a", **options: judged_model(tmp_path / f"run_{name}", weights=name, **options)


@pytest.fixture
def serving_dir(tmp_path):
    return str(tmp_path / "models" / "actions")
