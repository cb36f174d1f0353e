"""The Study page: many videos, their queue, what people decide about them, and the results."""
