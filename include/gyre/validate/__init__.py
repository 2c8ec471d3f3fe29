"""Audit extracted rows with Great Expectations before anything is published."""
