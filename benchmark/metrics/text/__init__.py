"""Metrics of generated reports: n-gram metrics of pycocoevalcap, and agreement of diagnostic statements."""
