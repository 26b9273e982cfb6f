"""Probes: models fitted on top of frozen features, and the searches for their settings."""
