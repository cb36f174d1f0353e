"""Video files: demuxing, decoding, timestamps, audio, and writing."""
