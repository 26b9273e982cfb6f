"""Measurements for the handcrafted features alone: beats, waves, rhythm and morphology."""
