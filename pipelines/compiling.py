"""Compile the pipeline to KFP's YAML."""

import tempfile
from pathlib import Path

from pipelines.light_kfp import import_light_kfp


def compile_pipeline() -> str:
    """Return the compiled pipeline: the same sources give the same text."""
    import_light_kfp()
    from kfp import compiler

    from pipelines.video_classification import video_classification

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(video_classification, str(path))
        return path.read_text()
