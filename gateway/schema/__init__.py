"""Owns the types of fields that people write: in settings, in policy files, in bodies and queries of the control API.

Refuses to own which field has which type (`gateway.settings`, `gateway.control`) and the grammars that serving needs
too (`gateway.core`).

Law: one type for one meaning. A value that exists is valid, and a refusal says what to write instead.
"""
