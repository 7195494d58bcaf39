"""The losses, a page each: checks, definition through the row kernel, documentation."""
