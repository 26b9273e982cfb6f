"""Prepared datasets on disk: written once from original files, checked, memory-mapped."""
