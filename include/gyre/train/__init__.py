"""Make a challenger from a dataset version."""
