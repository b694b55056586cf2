"""Owns `gateway link credentials`: a link's S3 credentials in the form that a tool wants.

Refuses to own what they are for: it asks the data listener, as anybody with the link may.

Laws: whatever stands in an answer is quoted as the form it goes into has it; no form runs it. What has no quotes, as
the lines of a file of settings, is not printed unless it is one plain line: a link's host may be anybody's.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import click

from gateway.cli.options import password_file_option, read_known_password
from gateway.cli.output import fail, fail_with_problem, json_option, print_json
from gateway.cli.passes import shown_pass
from gateway.cli.transfer import LinkClient
from gateway.cli.values import find_token

_MEMBERS: Final = ("accessKeyId", "secretAccessKey", "sessionToken", "expiration")
_LINE: Final = re.compile(r"[!-~]([ -~]*[!-~])?", re.ASCII)


def _as_env(found: Mapping[str, Any], name: str) -> str:
    given = found["credentials"]
    values = {
        "AWS_ACCESS_KEY_ID": given["accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["secretAccessKey"],
        "AWS_SESSION_TOKEN": given["sessionToken"],
        "AWS_CREDENTIAL_EXPIRATION": given["expiration"],
        "AWS_REGION": found["region"],
        "AWS_DEFAULT_REGION": found["region"],
        "AWS_ENDPOINT_URL_S3": found["endpoint"],
    }
    return "\n".join(f"export {variable}={shlex.quote(value)}" for variable, value in values.items())


def _as_process(found: Mapping[str, Any], name: str) -> str:
    given = found["credentials"]
    return json.dumps(
        {
            "Version": 1,
            "AccessKeyId": given["accessKeyId"],
            "SecretAccessKey": given["secretAccessKey"],
            "SessionToken": given["sessionToken"],
            "Expiration": given["expiration"],
        }
    )


def _as_rclone(found: Mapping[str, Any], name: str) -> str:
    given = found["credentials"]
    values = {
        "type": "s3",
        "provider": "Other",
        "access_key_id": given["accessKeyId"],
        "secret_access_key": given["secretAccessKey"],
        "session_token": given["sessionToken"],
        "region": found["region"],
        "endpoint": found["endpoint"],
        "force_path_style": "true",
        "no_check_bucket": "true",
    }
    return "\n".join((f"[{name}]", *(f"{option} = {value}" for option, value in values.items())))


def _as_duckdb(found: Mapping[str, Any], name: str) -> str:
    given, endpoint = found["credentials"], urlsplit(found["endpoint"])
    values = {
        "KEY_ID": given["accessKeyId"],
        "SECRET": given["secretAccessKey"],
        "SESSION_TOKEN": given["sessionToken"],
        "REGION": found["region"],
        "ENDPOINT": endpoint.netloc + endpoint.path,
        "URL_STYLE": "path",
        "SCOPE": f"s3://{_place_of(found)}",
    }
    quoted = ", ".join(f"{option} {_sql(value)}" for option, value in values.items())
    secure = "true" if endpoint.scheme == "https" else "false"
    return f'CREATE OR REPLACE SECRET "{name}" (TYPE s3, {quoted}, USE_SSL {secure});'


def _as_s3fs(found: Mapping[str, Any], name: str) -> str:
    given = found["credentials"]
    return json.dumps(
        {
            "key": given["accessKeyId"],
            "secret": given["secretAccessKey"],
            "token": given["sessionToken"],
            "client_kwargs": {"endpoint_url": found["endpoint"], "region_name": found["region"]},
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        }
    )


def _sql(value: str) -> str:
    if any(letter < " " for letter in value):  # the program that reads it has commands of its own, line by line
        raise ValueError("a text of SQL is one line")
    return "'" + value.replace("'", "''") + "'"


def _place_of(found: Mapping[str, Any]) -> str:
    return f"{found['bucket']}/{found.get('key') or found['prefix'] or ''}"


_FORMS: Final[Mapping[str, Callable[[Mapping[str, Any], str], str]]] = MappingProxyType(
    {"env": _as_env, "process": _as_process, "rclone": _as_rclone, "duckdb": _as_duckdb, "s3fs": _as_s3fs}
)


def _check_name(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not value.replace("_", "").replace("-", "").isalnum() or not value.isascii():
        raise click.BadParameter("letters, digits, - and _")
    return value


@click.command()
@click.argument("url", metavar="URL")
@click.option("--as", "form", type=click.Choice(list(_FORMS)), default="env", show_default=True, help="For what.")
@click.option("--name", default="link", show_default=True, callback=_check_name, help="Of the remote, or the secret.")
@click.option("--password", "wants_password", is_flag=True, help="Ask for the link's password.")
@password_file_option
@json_option
def credentials(
    url: str, *, form: str, name: str, wants_password: bool, password_file: Path | None, as_json: bool
) -> None:
    """Get S3 credentials that are for what the link shows, and end with it. They are one use of it.

    A link that asks who you are is opened by gateway link open first; its credentials are yours then.

    \b
    eval "$(gateway link credentials URL)"                       # env: for any SDK
    credential_process = gateway link credentials URL --as process   # ~/.aws/config
    gateway link credentials URL --as rclone >> ~/.config/rclone/rclone.conf
    gateway link credentials URL --as duckdb | duckdb
    s3fs.S3FileSystem(**json.loads(…))                           # --as s3fs
    """
    found = _ask(url, read_known_password(password_file, wants_password=wants_password))
    if as_json:
        print_json(found)
        return
    try:
        given = found["credentials"]
        for text in (found["region"], found["endpoint"], *(given[member] for member in _MEMBERS)):
            if not _LINE.fullmatch(text):
                raise ValueError("a setting is one line of plain text")
        click.echo(_FORMS[form](found, name))
    except (KeyError, TypeError, ValueError, AttributeError):
        fail("What answers there is no gateway that gives credentials.")


def _ask(url: str, password: str | None) -> dict[str, Any]:
    """The answer to who asks for a link's credentials.

    Raises:
        click.exceptions.Exit: the link was refused, or its host does not answer.
    """
    token = find_token(url)
    if token is None or "/" not in url:
        raise click.UsageError("This takes the link's URL, which was shown when it was made.")
    parts = urlsplit(url)
    path = f"{parts.path.partition('/s/')[0]}/s/{token}/credentials"
    giver = LinkClient(parts._replace(path=path, query="", fragment="").geturl(), password, shown_pass(url))
    status, _, body = giver.ask("POST", {"Accept": "application/json", "Content-Length": "0"})
    if status != 200:
        fail_with_problem(status, body)
    try:
        return dict(json.loads(body))
    except (ValueError, TypeError, RecursionError):
        return {}
