"""The local stack: real servers from wheels, run by one supervisor, under one folder (`.gyre`)."""
