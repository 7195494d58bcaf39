"""How the row kernel is run."""
