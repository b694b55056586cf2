"""Real servers for tests. Each one listens on free ports of 127.0.0.1, keeps its files in a directory of its own and
dies with the process that started it. The session fixtures of `tests/conftest.py` start them when first asked for."""
