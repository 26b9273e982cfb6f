"""Blocks of xresnet1d101 alone."""
