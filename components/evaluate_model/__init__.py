"""Step 6: clips and a trained model in, scores, a page and a verdict out."""
