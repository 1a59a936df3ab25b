"""Step find_baseline: looks up what was last accepted for a serving directory."""
