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
    max_latency_s: float = 10.0,
    max_memory_gb: float = 8.0,
) -> str:
    """Publish the model as a new version when its verdict allows it; return the digest of what was done.

    Args:
        model: The trained model.
        model_digest: Its content digest.
        evaluation: Scores and verdict of this model.
        evaluation_digest: Their content digest.
        statistics: Statistics of the clips that it was trained and judged on, kept for later runs to compare with.
        serving_dir: Folder, or gs:// address, that versions are served from; accepted records go beside it.
        run_key: Digest of the videos and the values of all parameters that later steps see.
        pushed: pushed.json: whether, as which version, and why.
        report: 1 where a version was pushed, and its number.
        record: What this step did, as step.json.
        max_latency_s: Seconds from a video file to its answer, above which the model is not published.
        max_memory_gb: Memory of the serving process in 10^9 bytes, above which the model is not published.
    """
    from functools import partial
    from pathlib import Path

    from components.contract.step_record import step_record
    from components.push_model.gate import push, read_candidate
    from components.push_model.infra_validation import Limits, check_it_serves

    with step_record(push_model, locals()) as step:
        candidate = read_candidate(
            model=Path(model.path),
            model_digest=model_digest,
            evaluation=Path(evaluation.path),
            evaluation_digest=evaluation_digest,
            statistics=Path(statistics.path),
        )
        check = partial(check_it_serves, limits=Limits(latency_s=max_latency_s, memory_gb=max_memory_gb))
        result = push(candidate, serving_dir=serving_dir, run_key=run_key, folder=Path(pushed.path), check=check)
        print(result.reason)
        step.log_metrics(report, result.metrics)
    return result.digest
