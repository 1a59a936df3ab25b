"""What several steps and commands know about served models: the serving directory, and asking a SavedModel."""
