"""Bring a version to serve, and take it back."""
