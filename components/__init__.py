"""Reelflow's steps: one folder per box of the pipeline, each with its component.py and plain domain modules."""
