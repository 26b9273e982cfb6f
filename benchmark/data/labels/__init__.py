"""Labels, splits, label subsets and prompts: who is tested on what, and who has seen it before."""
