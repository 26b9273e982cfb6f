"""A static site from committed records: suites, methods, datasets, every record, and the documents."""
