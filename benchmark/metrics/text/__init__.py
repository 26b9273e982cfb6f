"""How well written reports match true ones: n-gram metrics of pycocoevalcap, and diagnostic statements."""
