"""The only files that import a vendor's SDK, inside functions; each returns Gyre's own types."""
