"""Attacks by the thousand: altered requests, names that walk, broken HTTP, hostile files, and searches for secrets."""
