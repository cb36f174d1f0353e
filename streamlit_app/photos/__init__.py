"""State and views of the Photos page."""
