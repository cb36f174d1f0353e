"""Videos: decoded, analysed and encoded as a stream, and what is learned from them over time."""
