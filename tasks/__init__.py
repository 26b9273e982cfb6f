"""Tasks, one file each; prompts, class maps and suites lie beside them as data."""
