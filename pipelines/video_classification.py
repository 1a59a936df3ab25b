"""The DAG: steps, arrows, resources. Compile it with `reelflow compile` after a change."""

from components.evaluate_model.component import evaluate_model
from components.extract_frames.component import extract_frames
from components.find_baseline.component import find_baseline
from components.ingest_videos.component import ingest_videos
from components.push_model.component import push_model
from components.train_model.component import train_model
from components.validate_clips.component import validate_clips
from pipelines.resources import give_resources
from pipelines.settings import Settings, pipeline

STEPS = (ingest_videos, find_baseline, extract_frames, validate_clips, train_model, evaluate_model, push_model)


@pipeline(name="video-classification", steps=STEPS, wired=("run_key",))
def video_classification(settings: Settings) -> None:
    """Turn labelled videos into a served video classifier."""
    ingested = ingest_videos(**settings.of(ingest_videos))
    ingested.set_caching_options(False)  # it lists the source, and reuses its own store

    # Data and settings: a run that repeats the one that was pushed is told what that one was told, and stays cached.
    run_key = f"{ingested.outputs['Output']} {settings.beyond(ingest_videos)}"
    found = find_baseline(run_key=run_key, **settings.of(find_baseline))
    found.set_caching_options(False)  # it looks at the serving directory

    extracted = extract_frames(
        videos=ingested.outputs["videos"],
        videos_digest=ingested.outputs["Output"],
        **settings.of(extract_frames),
    )
    validated = validate_clips(
        clips=extracted.outputs["clips"],
        clips_digest=extracted.outputs["Output"],
        baseline=found.outputs["baseline"],
        baseline_digest=found.outputs["Output"],
        **settings.of(validate_clips),
    )
    # Training takes the digest of the clips that validation let through: a failed validation stops the run.
    trained = train_model(
        clips=extracted.outputs["clips"],
        clips_digest=validated.outputs["Output"],
        **settings.of(train_model) | {"initial_model": found.outputs["initial_model"]},
    )
    evaluated = evaluate_model(
        clips=extracted.outputs["clips"],
        clips_digest=extracted.outputs["Output"],
        rejects=extracted.outputs["rejects"],
        model=trained.outputs["model"],
        model_digest=trained.outputs["Output"],
        baseline=found.outputs["baseline"],
        baseline_digest=found.outputs["Output"],
        **settings.of(evaluate_model),
    )
    pushed = push_model(
        model=trained.outputs["model"],
        model_digest=trained.outputs["Output"],
        evaluation=evaluated.outputs["evaluation"],
        evaluation_digest=evaluated.outputs["Output"],
        statistics=validated.outputs["statistics"],
        run_key=run_key,
        **settings.of(push_model),
    )
    pushed.set_caching_options(False)  # it looks at the serving directory

    for task in (ingested, found, extracted, validated, trained, evaluated, pushed):
        give_resources(task)
