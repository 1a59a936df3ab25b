"""Step validate_clips: statistics, schema and findings over the clip table."""
