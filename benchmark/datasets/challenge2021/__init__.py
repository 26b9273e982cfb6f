"""Databases of the PhysioNet/CinC Challenge 2021 that have no other loader here."""
