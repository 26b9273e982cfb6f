"""Blocks of ECGFounder alone."""
