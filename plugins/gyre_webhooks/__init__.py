"""Hears what Label Studio says."""
