"""The data plane: one request in eight steps, from the listener to the record."""
