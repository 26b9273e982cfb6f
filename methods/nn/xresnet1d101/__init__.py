"""Blocks that only xresnet1d101 uses."""
