"""Blocks of KED alone."""
