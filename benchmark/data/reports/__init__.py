"""Clinical reports as text: equality, language, cleaning."""
