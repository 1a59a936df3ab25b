"""What several steps know about video: decoding, choosing frames, resizing."""
