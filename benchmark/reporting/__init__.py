"""Report generation: the decoder that all encoders share, how it learns, and how it writes."""
