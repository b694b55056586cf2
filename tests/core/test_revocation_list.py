"""A list of revocations as a text: what it may say, what is wrong with it and where."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import SettingsError
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_list import CLOCKS, ListText
from gateway.core.revocation_target import FeedKind

NOW = 1_790_000_000.0
AT = "2026-09-21T14:12:20Z"  # a minute before NOW


def text(body: str, **more: int) -> ListText:
    return ListText(body, "list.json", NOW, **more)


def read(body: str) -> list[FeedEntry]:
    return [entry for batch in text(body).entries() for entry in batch]


def faults(body: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as wrong:
        read(body)
    return wrong.value.faults


def one(**fields: object) -> str:
    return json.dumps({"revocations": [fields]})


def test_a_link_is_ended_by_its_id_whenever_it_was_issued() -> None:
    """Times of two gateways decide nothing where there is an id."""
    [entry] = read(one(kind="link", name="l_a", at=AT))
    assert (FeedKind.LINK, "l_a") == (entry.kind, entry.name)
    assert entry.serial > (NOW + 1e9) * 1000


def test_others_end_what_was_issued_until_then() -> None:
    """And some seconds more, for clocks that differ; without a time, whatever there is."""
    [timed] = read(one(kind="owner", name="app:a", at=AT))
    assert int((NOW - 60 + CLOCKS) * 1000) == timed.serial
    [always] = read(one(kind="owner", name="app:a"))
    assert always.serial > (NOW + 1e9) * 1000


def test_what_the_control_api_answers_is_a_list() -> None:
    """Notices among it revoke nothing; the time at which it was complete is known."""
    entry = {"serial": 3, "kind": "prefix", "name": "b", "prefix": "x/", "at": AT, "reason": "r", "by": "admin:ops"}
    notice = entry | {"kind": "issued", "name": "l_b", "prefix": ""}
    found = text(json.dumps({"revocations": [entry, notice], "serial": 3, "as_of": AT}))
    [[read_entry]] = list(found.entries())
    assert ("b", "x/", NOW - 60, 2) == (read_entry.name, read_entry.prefix, found.as_of, found.count)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "list.json:1: must be an object"),
        ("[]", "list.json:1: must be an object"),
        ("{}", "list.json:1: revocations: is missing"),
        ('{"revocations": {}}', "list.json:1: revocations: must be a list"),
        ('{"revocations": [],\n"more": 1}', "list.json:2: more: is not known"),
        ('{"revocations": []} x', "list.json:1: something follows"),
        ('{"revocations": [{}', "is missing"),
        ('{"revocations": [1 2]}', "a comma or the end of the list"),
        ('{"revocations": [\n{"kind": "link" "name"}]}', "list.json:2: is no JSON"),
        ('{"revocations": [\n\n{"kind": "lnk"}]}', "list.json:3: revocations[0]: kind: must be one of link, key"),
        (one(kind="link", name="https://h/s/secret"), "never a URL or token"),
        (one(kind="link"), "name: is missing"),
        (one(kind="owner", name="billing"), "must be a principal"),
        (one(kind="owner", name="app:a", prefix="x"), "prefix: goes with kind prefix"),
        (one(kind="link", name=5), "name: must be a text of at most 2048 characters"),
        (one(kind="link", name="l_1", by=["app:a"]), "by: must be a text"),
        (one(kind="link", name="l_1", reason="r" * 2049), "reason: must be a text"),
        (one(kind="owner", name="app:a", at="yesterday"), "is not a time"),
        (one(kind="owner", name="app:a", at=5), "must be a time"),
        (one(kind="owner", name="app:a", until=AT), "'until' is not known"),
        ('{"revocations": [], "as_of": "2027-01-01T00:00:00Z"}', "as_of: lies in the future"),
        ('{"revocations": [], "as_of": null}', "as_of: is null, so this is one page"),
        ('{"revocations": [], "serial": "x"}', "serial: must be a whole number"),
    ],
)
def test_a_wrong_list_says_where_and_what(body: str, said: str) -> None:
    """The line, the field, and what to write instead; never a secret."""
    told = "\n".join(faults(body))
    assert said in told
    assert "secret" not in told


def test_every_wrong_entry_is_told_at_once() -> None:
    """Up to a number that a person would still read."""
    found = faults(json.dumps({"revocations": [{"kind": "x"}] * 30}))
    assert 20 == len(found)
    assert "revocations[19]" in found[-1]


@given(st.lists(st.integers(0, 10**6), max_size=30), st.lists(st.integers(0, 10**6), min_size=1, max_size=9))
def test_the_rest_of_a_list_can_be_read_alone(first: list[int], more: list[int]) -> None:
    """What was read to the end of its last entry, and what follows it there, are the whole."""
    links = [{"kind": "link", "name": f"l_{number}"} for number in first + more]
    before = text(json.dumps({"revocations": links[: len(first)], "as_of": AT}, indent=1))
    head = list(before.entries())
    whole = json.dumps({"revocations": links, "as_of": AT}, indent=1)
    if not first:
        return
    assert whole.startswith(before.text[: before.end])
    rest = text(whole[before.end :], begun=True, before=before.count)
    names = [entry.name for batch in [*head, *rest.entries()] for entry in batch]
    assert [link["name"] for link in links] == names
    assert NOW - 60 == rest.as_of


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(body: str) -> None:
    """Whatever is in the file, it is entries or faults."""
    for given_text in (body, '{"revocations": [' + body, '{"revocations": []' + body):
        wrong = ()
        try:
            read(given_text)
        except SettingsError as refused:
            wrong = refused.faults
        assert all(fault.startswith("list.json:") for fault in wrong)


def test_only_entries_that_come_first_lead() -> None:
    """What stands before them would be lost when only the rest is read."""
    after, before = text('{"revocations": [], "serial": 1}'), text('{"serial": 1, "revocations": []}')
    assert [[], []] == [batch for one_text in (after, before) for batch in one_text.entries()]
    assert (True, False) == (after.leads, before.leads)
