"""Work that grows no faster than its input, counted in instructions."""
