"""Live streams: frames of several visitors in, the newest result of each out, without waiting."""
