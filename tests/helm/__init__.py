"""The chart, looked at with the tools that operators use. `make helm` runs it."""
