"""Watch what serves, and ask for a new model when it is worth one."""
