"""The gateway in operation: drained, reloaded, scraped."""
