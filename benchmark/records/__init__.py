"""Result records: what a cell asked, what it answered, and where that lies on disk."""
