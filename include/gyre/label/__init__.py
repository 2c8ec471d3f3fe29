"""Give published rows their labels."""
