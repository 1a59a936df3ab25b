"""Train a video classifier on clips and export it."""
