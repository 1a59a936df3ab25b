"""Ingest: list a source, choose videos, split them by group, fetch them once, write the manifest."""
