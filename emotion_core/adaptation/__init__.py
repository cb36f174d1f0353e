"""Learning from a user's labels: agreement of raters, what to label next, adapted networks."""
