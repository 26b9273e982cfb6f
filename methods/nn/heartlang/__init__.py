"""Blocks of HeartLang alone."""
