"""Owns what an operator can do: links, keys, revocations, policies, signing, sessions; one module a noun.

Refuses to own HTTP (`gateway.control.api`) and storage: it speaks to the core's protocols only.
"""
