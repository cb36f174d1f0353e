"""State, job, and views of the Video page."""
