"""Blocks that only ECGFounder uses."""
