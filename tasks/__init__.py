"""One file per kind of question; prompts and suites lie beside them as data."""
