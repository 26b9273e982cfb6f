"""Report generation: the decoder that all encoders share, its training, and its output."""
