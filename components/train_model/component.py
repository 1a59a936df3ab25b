"""Step 4: clips in, a trained model out."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.image import component


@component
def train_model(
    clips: Input[Dataset],
    clips_digest: str,
    model: Output[Model],
    report: Output[Metrics],
    record: Output[Artifact],
    model_name: str = "r2plus1d_fast",
    epochs: int = 20,
    batch_size: int = 16,
    learning_rate: float = 3e-3,
    weight_decay: float = 1e-2,
    warmup_fraction: float = 0.1,
    label_smoothing: float = 0.1,
    horizontal_flip: bool = True,
    colour_jitter: float = 0.25,
    early_stopping_patience: int = 0,
    seed: int = 1,
) -> str:
    """Train a model on the training clips and export it; return the digest of its weights and labels.

    Args:
        clips: TFRecord clips, as written by extract_frames and let through by validate_clips.
        clips_digest: Content digest of the clips; the cache knows them by it.
        model: The Keras model, its SavedModel for serving, its labels and the history of the training.
        report: Loss and accuracy at the end, speed, number of parameters.
        record: The step's record, step.json.
        model_name: A name in the table of models: r2plus1d_fast, or tutorial.
        epochs: Passes over the training clips.
        batch_size: Clips per step of the optimizer.
        learning_rate: Of AdamW at the end of the warm-up; a cosine brings it down to 0.
        weight_decay: Of AdamW.
        warmup_fraction: Share of all steps in which the learning rate grows, from 0 up to but not including 1.
        label_smoothing: Share of the target that goes to all labels alike, from 0 up to but not including 1.
        horizontal_flip: Mirror whole clips at random; turn it off where left and right make the label.
        colour_jitter: Give each training clip other colours: channels in another order, each brighter or darker by
            up to this share, from 0 (off) up to but not including 1. Turn it off where colour makes the label.
        early_stopping_patience: Stop after this many epochs without a lower validation loss and keep the best
            weights; 0 trains to the end and keeps the last.
        seed: Of the first weights, the order of the clips and their random changes.
    """
    from pathlib import Path

    from components.contract.step_record import step_record
    from components.train_model.training import Recipe
    from components.train_model.training_run import run_training

    with step_record(train_model, locals()) as step:
        recipe = Recipe(epochs, batch_size, learning_rate, weight_decay, warmup_fraction, label_smoothing,
                        horizontal_flip, colour_jitter, early_stopping_patience, seed)  # fmt: skip
        result = run_training(
            Path(clips.path), Path(model.path), clips_digest=clips_digest, model_name=model_name, recipe=recipe
        )
        step.log_metrics(report, result.metrics)
    return result.digest
