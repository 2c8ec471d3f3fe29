"""A company whose systems Gyre reads: real flights of 2013 and real handwritten digits, replayed. Nothing in the platform knows of it."""
