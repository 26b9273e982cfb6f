"""From original files to prepared, memory-mapped recordings, and from those to subsets."""
