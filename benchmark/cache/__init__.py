"""Files that can be made anew, each with a checksum that its reader verifies: arrays, small JSON, lines."""
