"""Estimates with intervals from the trials table: pure functions, no training, no storage."""
