"""Measurements, as ratios against a reference run in the same minute. Nothing here runs in the tests."""
