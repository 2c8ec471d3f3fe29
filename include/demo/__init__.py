"""A company whose systems Gyre reads: real flights of 2013, replayed. Nothing in the platform knows of it."""
