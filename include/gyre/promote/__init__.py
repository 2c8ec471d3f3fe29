"""Compare challenger and champion fairly, and decide."""
