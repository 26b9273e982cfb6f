"""The path from original files to prepared, memory-mapped recordings and label subsets."""
