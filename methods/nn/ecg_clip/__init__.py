"""Blocks that only ECG-CLIP uses."""
