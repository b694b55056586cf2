"""Stands in for the library where it is not installed: first on the path of a gateway that is started without it."""

raise ImportError("there is no uvloop here")
