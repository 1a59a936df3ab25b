"""Step 0: a serving directory in, what was last accepted for it out."""

from kfp.dsl import Artifact, Output

from components.image import component


@component
def find_baseline(serving_dir: str, run_key: str, baseline: Output[Artifact], record: Output[Artifact]) -> str:
    """Find the accepted version that this run compares with; return the digest of what was found.

    Args:
        serving_dir: Folder, or gs:// address, that versions are served from; its accepted records lie beside it.
        run_key: Digest of the videos and the values of all parameters that later steps see.
        baseline: Record, statistics and SavedModel of that version; nothing but the marker where there is none.
        record: What this step did, as step.json.
    """
    from pathlib import Path

    from components.contract.step_record import step_record
    from components.find_baseline.baseline import copy_baseline

    with step_record(find_baseline, locals()):
        found = copy_baseline(serving_dir, run_key=run_key, folder=Path(baseline.path))
        print(found.sentence)
    return found.digest
