"""Step 6: a judged model in, a served version out."""

from kfp.dsl import Artifact, Input, Metrics, Model, Output

from components.image import component


@component
def push_model(
    model: Input[Model],
    model_digest: str,
    evaluation: Input[Artifact],
    evaluation_digest: str,
    statistics: Input[Artifact],
    serving_dir: str,
    run_key: str,
    pushed: Output[Artifact],
    report: Output[Metrics],
    record: Output[Artifact],
) -> str:
    """Publish the model as a new version when its verdict allows it; return the digest of what was done.

    Args:
        model: The trained model.
        model_digest: Its content digest.
        evaluation: Scores and verdict of this model.
        evaluation_digest: Their content digest.
        statistics: Statistics of the clips that it was trained and judged on, kept for later runs to compare with.
        serving_dir: Folder that versions are served from; accepted records go beside it.
        run_key: Digest of the videos and the values of all parameters that later steps see.
        pushed: pushed.json: whether, as which version, and why.
        report: 1 where a version was pushed, and its number.
        record: What this step did, as step.json.
    """
    from pathlib import Path

    from components.contract.step_record import step_record
    from components.push_model.gate import push, read_candidate

    with step_record(push_model, locals()) as step:
        candidate = read_candidate(
            model=Path(model.path),
            model_digest=model_digest,
            evaluation=Path(evaluation.path),
            evaluation_digest=evaluation_digest,
            statistics=Path(statistics.path),
        )
        result = push(candidate, serving_dir=serving_dir, run_key=run_key, folder=Path(pushed.path))
        print(result.reason)
        step.log_metrics(report, result.metrics)
    return result.digest
