"""Step 4: clips in, a trained model out."""

from typing import List  # noqa: UP035 - kfp reads this annotation, and the generated module imports typing's names

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.image import component


@component
def train_model(
    clips: Input[Dataset],
    clips_digest: str,
    store_dir: str,
    model: Output[Model],
    report: Output[Metrics],
    record: Output[Artifact],
    model_name: str = "r2plus1d_fast",
    widths: str = "",
    blocks_per_stage: int = 0,
    pretrained_model: str = "",
    pretrained_sha256: str = "",
    fine_tune: bool = False,
    initial_model: str = "",
    epochs: int = 20,
    batch_size: int = 16,
    learning_rate: float = 3e-3,
    decay_to: float = 0.0,
    weight_decay: float = 1e-2,
    warmup_fraction: float = 0.1,
    label_smoothing: float = 0.1,
    ema_momentum: float = 0.0,
    balance_classes: bool = False,
    horizontal_flip: bool = True,
    unflipped_labels: List[str] = [],  # noqa: B006, UP006 - kfp takes no `list | None`; nothing changes it
    crop_scale: float = 1.0,
    colour_jitter: float = 0.25,
    mixup: float = 0.0,
    early_stopping_patience: int = 0,
    precision: str = "auto",
    xla: bool = False,
    accelerator: str = "auto",
    seed: int = 1,
) -> str:
    """Train a model on the training clips and export it; return the digest of its weights and labels.

    The defaults are one recipe; components/train_model/recipes/tutorial.yaml is another, for --params.

    Args:
        clips: TFRecord clips, as written by extract_frames and let through by validate_clips.
        clips_digest: Content digest of the clips; the cache knows them by it.
        store_dir: Folder that keeps a checkpoint per training, from which a killed one goes on; empty keeps none.
        model: The Keras model, its SavedModel for serving, its labels, the history of the training as JSON, as a plot
            and as TensorBoard's log.
        report: Loss and accuracy at the end, speed, share of time spent waiting for clips, number of parameters.
        record: The step's record, step.json.
        model_name: A name in the table of models: r2plus1d_fast, r2plus1d_18, tutorial, or pretrained.
        widths: Channels of the stem and of each stage of r2plus1d_fast, e.g. 32,64,128; empty is 16,32,64.
        blocks_per_stage: Residual blocks in each stage of r2plus1d_fast; 0 is one.
        pretrained_model: What the model pretrained builds on: a .keras file, a SavedModel's folder or a zip of one, by
            path, gs:// or https:// address.
        pretrained_sha256: SHA-256 of that file; of a folder, of the lines that sha256sum prints for its sorted files.
        fine_tune: Train the pretrained model further; false keeps its weights and trains a new head.
        initial_model: A model to go on from, whose labels keep their places: a served version or a trained model's
            folder, by path or gs://; empty starts from scratch. In the pipeline, find_baseline gives it.
        epochs: Passes over the training clips.
        batch_size: Clips per step of the optimizer, over all devices.
        learning_rate: Of AdamW at the end of the warm-up; a cosine follows.
        decay_to: Share of the learning rate that the cosine ends at, from 0 to 1, which keeps it constant.
        weight_decay: Of AdamW; 0 makes it Adam.
        warmup_fraction: Share of all steps in which the learning rate grows, from 0 up to but not including 1.
        label_smoothing: Share of the target that goes to all labels alike, from 0 up to but not including 1.
        ema_momentum: Keep a moving average of the weights with this momentum, e.g. 0.99, in place of the last weights;
            0 keeps none.
        balance_classes: Let clips of rare labels weigh more, so that all labels weigh the same.
        horizontal_flip: Mirror whole clips at random; turn it off where left and right make the label.
        unflipped_labels: Labels whose clips are never mirrored, where left and right make only some labels.
        crop_scale: Enlarge a random part of each clip, of at least this share of its area; 1 shifts clips a little.
        colour_jitter: Give each training clip other colours: channels in another order, each brighter or darker by
            up to this share, from 0 (off) up to but not including 1. Turn it off where colour makes the label.
        mixup: Mix clips and their labels in pairs, by shares of a beta distribution with this parameter, e.g. 0.2;
            0 mixes none.
        early_stopping_patience: Stop after this many epochs without a lower validation loss and keep the best
            weights; 0 trains to the end and keeps the last.
        precision: Of the arithmetic: float32, bfloat16, float16, or auto, which asks the device.
        xla: Compile the training step with XLA, on GPUs; CPUs never do, where it was seven times slower.
        accelerator: auto takes the GPUs that are there, else the CPU; cpu; gpu fails where there is none.
        seed: Of the first weights, the order of the clips and their random changes.
    """
    import os
    from pathlib import Path

    from components.contract.step_record import step_record
    from components.train_model.model_parameters import chosen_options
    from components.train_model.recipe import Recipe
    from components.train_model.training_run import Places, run_training

    with step_record(train_model, locals()) as step, chosen_options(
        widths=widths, blocks_per_stage=blocks_per_stage, pretrained_model=pretrained_model,
        pretrained_sha256=pretrained_sha256, fine_tune=fine_tune,
    ) as options:  # fmt: skip
        recipe = Recipe(epochs, batch_size, learning_rate, weight_decay, warmup_fraction, label_smoothing,
                        horizontal_flip, colour_jitter, early_stopping_patience, seed, decay_to, ema_momentum,
                        balance_classes, tuple(unflipped_labels), crop_scale, mixup, precision, xla)  # fmt: skip
        result = run_training(
            Path(clips.path), Path(model.path), clips_digest=clips_digest, model_name=model_name, recipe=recipe,
            initial_model=initial_model,
            places=Places(store_dir, accelerator, cluster=os.environ.get("TF_CONFIG", "")),
            options=options,
        )  # fmt: skip
        step.log_metrics(report, result.metrics)
    return result.digest
