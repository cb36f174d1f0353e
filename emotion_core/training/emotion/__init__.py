"""Training of emotion networks."""
