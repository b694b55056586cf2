"""How STS answers: the names of people and sessions, and its words for what is wrong with a key."""

from __future__ import annotations

import pytest

from gateway.control.sts_answers import Fault, error_reply, fault_of, packed, user_of
from gateway.core.reasons import Reason
from gateway.core.session_policy_text import read_session_policy
from tests.contract.sample import key


@pytest.mark.parametrize(
    ("source", "arn"),
    [
        ((), "arn:aws:iam::000000000000:user/billing"),
        (("key", "gw", "k_0", "app:c", "7", "lake", "etl"), "arn:aws:sts::000000000000:assumed-role/lake/etl"),
        (("key", "gw", "k_0", "app:c", "7", "", "anna"), "arn:aws:sts::000000000000:federated-user/anna"),
        (("key", "gw", "k_0", "app:c", "7", "", ""), "arn:aws:iam::000000000000:user/billing"),
        (("identity", "gw", "i", "a", "lake", "s", "pod"), "arn:aws:sts::000000000000:assumed-role/lake/pod"),
    ],
)
def test_who_the_holder_of_a_key_is(source: tuple[str, ...], arn: str) -> None:
    """A user, a session of a role, or a federated user."""
    assert f"<Arn>{arn}</Arn>" == user_of(key(source=source))[0]


def test_what_is_not_known_to_sts_is_a_malformed_signature() -> None:
    """Every reason has an answer, and none of them is a success."""
    assert all(400 <= fault_of(reason).status < 500 for reason in Reason)
    assert "IncompleteSignature" == fault_of(Reason.CREDENTIALS_MALFORMED).code


def test_texts_are_escaped() -> None:
    """Nothing that was sent becomes an element."""
    body = error_reply(Fault(400, "ValidationError", "<Code>None</Code>"), "r").body
    assert b"&lt;Code&gt;None" in body
    assert b"<Code>ValidationError</Code>" in body


def test_how_much_of_the_largest_policy_one_is() -> None:
    """In percent, at least one."""
    text = '{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}'
    assert [[], ["<PackedPolicySize>2</PackedPolicySize>"]] == [packed(None), packed(read_session_policy(text))]
