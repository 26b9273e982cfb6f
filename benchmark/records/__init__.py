"""Result records: the question of a cell, its answer, and their files on disk."""
