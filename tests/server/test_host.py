"""What a connection needs of its listener."""

from __future__ import annotations

from gateway.server.host import Host
from tests.data.harness import Rig


def test_a_listener_has_all_that_its_connections_need(rig: Rig) -> None:
    """Nothing of it is found missing only when it is asked for."""
    needed = {*Host.__annotations__, *(name for name in vars(Host) if not name.startswith("_"))}
    assert {"handle", "draining", "add_connection", "date"} <= needed
    assert set() == {name for name in needed if not hasattr(rig.server, name)}
