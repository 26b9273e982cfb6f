"""The Submitit executor and the cluster profiles."""
