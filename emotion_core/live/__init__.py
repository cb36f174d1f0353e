"""Live streams: frames of several visitors in, the newest reading of each out, nobody waits."""
