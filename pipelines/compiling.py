"""Compile the pipeline to KFP's YAML."""

import tempfile
from pathlib import Path


def compile_pipeline() -> str:
    """Return the compiled pipeline: the same sources give the same text."""
    from kfp import compiler

    import pipelines.light_kfp  # noqa: F401 - before kfp
    from pipelines.video_classification import video_classification

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(video_classification, str(path))
        return path.read_text()
