"""Leaderboards: tables, figures and pages made from records."""
