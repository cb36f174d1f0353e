"""State and views of the Webcam page."""
