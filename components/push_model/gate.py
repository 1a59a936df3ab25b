"""Whether a model is pushed, and the record of what was done."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.contract.accepted import Accepted, newest_accepted, run_fingerprint, serving_folder
from components.contract.errors import StepError
from components.contract.files import emptied, write_json
from components.contract.finished import finish
from components.contract.model import TrainedModel, read_model
from components.contract.statistics import read_statistics
from components.contract.verdict import Verdict, read_verdict
from components.push_model.publication import finish_interrupted, publish

KIND = "pushed"
PUSHED_NAME = "pushed.json"


@dataclass(frozen=True)
class Candidate:
    """A judged model, verified.

    Attributes:
        folder: The model's folder.
        model: What it holds.
        verdict: The verdict about this model.
        statistics: Folder of the statistics of its clips.
        statistics_digest: Their digest.
    """

    folder: Path
    model: TrainedModel
    verdict: Verdict
    statistics: Path
    statistics_digest: str


@dataclass(frozen=True)
class Pushed:
    """What was done.

    Attributes:
        pushed: Whether a new version is served.
        version: The version that serves this model, or None.
        reason: A sentence for a person.
        digest: Content digest of the record.
    """

    pushed: bool
    version: int | None
    reason: str
    digest: str

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers for the UI; the version only where there is one."""
        pushed = {"pushed": float(self.pushed)}
        return pushed if self.version is None else {**pushed, "version": float(self.version)}


def read_candidate(
    *, model: Path, model_digest: str, evaluation: Path, evaluation_digest: str, statistics: Path
) -> Candidate:
    """Read and verify everything that a push needs.

    Raises:
        StepError: If a part is unfinished, damaged, or about another model or other clips.
    """
    trained = read_model(model, digest=model_digest)
    verdict = read_verdict(evaluation, digest=evaluation_digest)
    stored = read_statistics(statistics)
    if verdict.model_digest != trained.digest:
        raise StepError(
            f"The verdict is about the model {verdict.model_digest[:12]}, not about {trained.digest[:12]}.",
            remedy="Evaluate this model, then push it.",
        )
    if stored.properties["clips_digest"] != verdict.clips_digest:
        raise StepError(
            f"The statistics are of the clips {stored.properties['clips_digest'][:12]}, "
            f"the verdict is on {verdict.clips_digest[:12]}.",
            remedy="Give the statistics of the clips that the model was judged on.",
        )
    return Candidate(
        folder=model, model=trained, verdict=verdict, statistics=statistics, statistics_digest=stored.digest
    )


def push(candidate: Candidate, *, serving_dir: str, run_key: str, folder: Path) -> Pushed:
    """Publish the model if its verdict allows it and it is not served already; write the record into `folder`."""
    serving_folder(serving_dir)
    emptied(folder)
    model_digest = candidate.model.digest
    if not candidate.verdict.may_push:
        reasons = " ".join(rule.sentence for rule in candidate.verdict.rules if not rule.passed)
        return _recorded(folder, serving_dir, model_digest, pushed=False, version=None, reason=f"Not pushed. {reasons}")
    finish_interrupted(serving_dir)
    newest = newest_accepted(serving_dir, warn=print)
    if newest is not None and newest.model_digest == model_digest:
        reason = f"Already served as version {newest.version}."
        return _recorded(folder, serving_dir, model_digest, pushed=False, version=newest.version, reason=reason)
    version = publish(
        candidate.folder,
        statistics=candidate.statistics,
        serving_dir=serving_dir,
        accepted=lambda number: _accepted(candidate, version=number, run_key=run_key),
    )
    reason = f"Version {version} is served from {serving_dir}."
    return _recorded(folder, serving_dir, model_digest, pushed=True, version=version, reason=reason)


def _accepted(candidate: Candidate, *, version: int, run_key: str) -> Accepted:
    model, verdict = candidate.model, candidate.verdict
    return Accepted(
        version=version,
        model=model.model,
        model_digest=model.digest,
        clips_digest=verdict.clips_digest,
        statistics_digest=candidate.statistics_digest,
        labels=model.labels,
        geometry=model.geometry,
        preparation=model.preparation,
        verdict=asdict(verdict),
        run_fingerprint=run_fingerprint(run_key),
        baseline_version=verdict.baseline_version,
        pushed_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def _recorded(
    folder: Path, serving_dir: str, model_digest: str, *, pushed: bool, version: int | None, reason: str
) -> Pushed:
    record = {
        "pushed": pushed,
        "version": version,
        "reason": reason,
        "serving_dir": serving_dir,
        "model_digest": model_digest,
    }
    write_json(folder / PUSHED_NAME, record)
    finished = finish(folder, kind=KIND, properties={"pushed": pushed, "version": version})
    return Pushed(pushed=pushed, version=version, reason=reason, digest=finished.digest)
