"""Images: decoding and encoding, drawing of results, and the palette of emotions."""
