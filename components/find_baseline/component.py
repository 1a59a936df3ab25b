"""Step 0: a serving directory in, what was last accepted for it out."""

from typing import NamedTuple

from kfp.dsl import Artifact, Output

from components.image import component


@component
def find_baseline(
    serving_dir: str, run_key: str, baseline: Output[Artifact], record: Output[Artifact], initial_model: str = ""
) -> NamedTuple("Found", Output=str, initial_model=str):  # type: ignore[valid-type] # KFP reads names and types here
    """Find the accepted version that this run compares with; return its digest, and what training starts from.

    Args:
        serving_dir: Folder, or gs:// address, that versions are served from; its accepted records lie beside it.
        run_key: Digest of the videos and the values of all parameters that later steps see.
        baseline: Record, statistics and SavedModel of that version; nothing but the marker where there is none.
        record: What this step did, as step.json.
        initial_model: A model to go on from, whose labels keep their places: champion, which is the version that this
            run compares with (none yet: from scratch), or a served version or a trained model's folder, by path or
            gs://; empty starts from scratch.
    """
    from pathlib import Path

    from components.contract.step_record import step_record
    from components.find_baseline.baseline import copy_baseline

    with step_record(find_baseline, locals()):
        found = copy_baseline(serving_dir, run_key=run_key, folder=Path(baseline.path))
        print(found.sentence)
        starts_from = found.uri if initial_model == "champion" else initial_model
        print(f"Training starts from {starts_from or 'scratch'}.")
    return found.digest, starts_from
