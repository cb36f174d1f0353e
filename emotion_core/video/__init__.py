"""Videos: streaming decoding, analysis and encoding, and results over time."""
