"""The manager in Python: the same frames and promises as the one in Node.js (docs/frames.md)."""
