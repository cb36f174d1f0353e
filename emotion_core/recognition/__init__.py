"""What a face shows: alignment, emotion classification, and embeddings."""
