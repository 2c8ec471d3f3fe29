"""Bring sources into the lake: plan an interval, extract, publish."""
