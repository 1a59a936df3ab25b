"""Step 6: clips and a trained model in, scores, a page and a verdict out."""

from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

from components.image import component


@component
def evaluate_model(
    clips: Input[Dataset],
    clips_digest: str,
    rejects: Input[Dataset],
    model: Input[Model],
    model_digest: str,
    baseline: Input[Artifact],
    baseline_digest: str,
    evaluation: Output[Artifact],
    page: Output[HTML],
    report: Output[Metrics],
    confusion: Output[ClassificationMetrics],
    record: Output[Artifact],
    min_accuracy: float = 0.0,
    min_improvement: float = 0.0,
    max_p_value: float = 1.0,
    max_class_drop: float = 1.0,
    confidence: float = 0.95,
    n_bootstrap: int = 2000,
    evaluation_batch_size: int = 32,
    seed: int = 1,
) -> str:
    """Score a model on the test split, compare it with the served one, and say whether it may be pushed.

    Args:
        clips: Clips as extract_frames wrote them.
        clips_digest: Content digest of the clips.
        rejects: Videos that gave no clip, for the report.
        model: Model as train_model wrote it.
        model_digest: Content digest of the model.
        baseline: The served model, as find_baseline found it, or nothing.
        baseline_digest: Content digest of the baseline.
        evaluation: Scores and verdict as JSON, each test video's answer as CSV, the model card as Markdown.
        page: The report for a person, one HTML file.
        report: Accuracy with its interval, macro F1, number of test videos and groups.
        confusion: Confusion matrix of the test split; rows are true labels.
        record: What this step was given, did and left.
        min_accuracy: Accuracy on test that a model needs to be pushed, 0 to 1.
        min_improvement: A model must beat the served one's accuracy on the same videos by more than this; with 0
            an equal model is refused.
        max_p_value: A paired test over groups must find it this improbable that the model is no better than the served
            one, above 0, up to 1; 1 asks for no proof.
        max_class_drop: No class's recall may fall by more than this against the served model, 0 to 1; classes of fewer
            than 10 test videos do not count.
        confidence: Of the intervals, between 0 and 1.
        n_bootstrap: How often groups are drawn anew for an interval.
        evaluation_batch_size: Clips scored at once.
        seed: Of the draws for the intervals.
    """
    from pathlib import Path

    from components.contract.files import write_json
    from components.contract.step_record import step_record
    from components.evaluate_model.evaluation import Inputs, Settings, evaluate
    from components.evaluate_model.gate import Demands

    with step_record(evaluate_model, locals()) as step:
        inputs = Inputs(
            Path(clips.path),
            clips_digest,
            Path(rejects.path),
            Path(model.path),
            model_digest,
            Path(baseline.path),
            baseline_digest,
        )  # fmt: skip - a folder and its digest read best side by side
        demands = Demands(min_accuracy, min_improvement, max_p_value, max_class_drop)
        settings = Settings(demands, confidence, n_bootstrap, evaluation_batch_size, seed)
        result = evaluate(inputs, evaluation_dir=Path(evaluation.path), page_path=Path(page.path), settings=settings)
        step.log_metrics(report, result.metrics)
        confusion.log_confusion_matrix(result.labels, result.confusion)
        write_json(Path(confusion.path), {"labels": result.labels, "rows_are_true": result.confusion})
    return result.digest
