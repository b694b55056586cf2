"""What engines are made of: one class for each interface, which does what the interface says and nothing else."""

from __future__ import annotations

import inspect
from importlib import import_module
from pkgutil import walk_packages

import pytest

from gateway import stores
from gateway.core.grant import GrantAdmin
from gateway.core.issued import RemoteIssuer
from gateway.core.lease import LeaseStore
from gateway.core.limits import LimitStore
from gateway.core.record import Ledger
from gateway.core.revocation import RevocationFeed
from gateway.core.sealing import SealBook

INTERFACES = {
    "Grants": GrantAdmin,
    "Leases": LeaseStore,
    "Limits": LimitStore,
    "Feed": RevocationFeed,
    "Ledger": Ledger,
    "Seals": SealBook,
    "Issuer": RemoteIssuer,
}
ENGINES = {
    "Memory": set(INTERFACES) - {"Issuer"},
    "Sqlite": set(INTERFACES) - {"Issuer"},
    "Postgres": set(INTERFACES) - {"Issuer"},
    "Redis": set(INTERFACES) - {"Issuer"},
    "Central": {"Grants", "Leases", "Feed", "Issuer"},
}
OWN = {"SqliteLimits": {"close"}}
"""What a class has beyond its interface: a file of its own has an end."""


def _classes() -> dict[str, type]:
    modules = [import_module(found.name) for found in walk_packages(stores.__path__, "gateway.stores.")]
    return {name: one for module in modules for name, one in inspect.getmembers(module, inspect.isclass)}


def _public(one: type) -> set[str]:
    return {name for base in one.__mro__[:-1] for name in vars(base) if not name.startswith("_")}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_store_has_the_methods_of_its_interface_alone(engine: str) -> None:
    """A class that kept grants and counted uses too would have the methods of both."""
    classes = _classes()
    for part in ENGINES[engine]:
        name = f"{engine}{part}"
        assert _public(INTERFACES[part]) == _public(classes[name]) - OWN.get(name, set()), name
