"""Measurements of speed, through the same server and pipeline that editors use."""
