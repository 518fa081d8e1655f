"""Measurements of speed and quality, through the same server and pipeline that editors use."""
