"""What clients report: the Segment tracking calls, read and checked."""
