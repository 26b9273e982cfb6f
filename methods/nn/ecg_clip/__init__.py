"""Blocks of ECG-CLIP alone."""
