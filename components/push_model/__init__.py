"""Step push_model: publishes a model that the gate let through as a new version."""
