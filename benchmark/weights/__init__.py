"""Checks of weights before they are loaded: file types, declared contents, values, and folders of transformers."""
