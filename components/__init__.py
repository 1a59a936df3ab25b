"""Reelflow's steps: one folder per box of the pipeline, each with its component.py and plain domain modules."""

__version__ = "0.1.0"
