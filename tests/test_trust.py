"""Authorities are read once, and anew when their file was renewed."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from gateway.trust import trust
from tests.servers.certificate import certificate


def test_a_file_is_read_anew_once_it_was_renewed(tmp_path: Path) -> None:
    """All who ask meanwhile share one context; those of the file alone are believed, nobody of the system's."""
    file, _ = certificate(tmp_path)
    os.utime(file, ns=(1, 1))
    before = trust(str(file))
    assert (before, 1) == (trust(str(file)), len(before.get_ca_certs()))
    renewed = certificate(tmp_path)[0].read_text()
    os.utime(file, ns=(2, 2))
    after = trust(str(file))
    assert [ssl.PEM_cert_to_DER_cert(renewed)] == after.get_ca_certs(binary_form=True)
    assert after.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("text", [None, "nothing"])
def test_a_file_that_holds_none_is_an_error(tmp_path: Path, text: str | None) -> None:
    """An OSError, as one that is not there."""
    file = tmp_path / "ca.crt"
    if text is not None:
        file.write_text(text)
    with pytest.raises(OSError, match=r"No such file|CERT"):
        trust(str(file))


def test_without_a_file_the_system_is_believed() -> None:
    """And read once."""
    assert trust(None) is trust(None)
