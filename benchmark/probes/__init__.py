"""What is fitted on top of frozen features."""
