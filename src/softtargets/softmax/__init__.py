"""The per-row softmax state, its merge, and the one row kernel."""
