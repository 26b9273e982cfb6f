"""Measurements that only the handcrafted features use: beats, rhythm, waves, morphology."""
