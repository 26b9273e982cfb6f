"""Made-up recordings: signals, diagnoses and the wording of their reports."""
