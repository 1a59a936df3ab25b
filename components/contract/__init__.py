"""What steps share and nothing else: the artifacts' formats, the finished marker, the step record."""
