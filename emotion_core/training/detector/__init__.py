"""Training, export and evaluation of the face detector."""
