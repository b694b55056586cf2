"""Owns one sample of each page in each state that looks different: for the gallery, and for what is asked of each page.

Whoever adds a page adds it here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gateway.core.reasons import Reason
from gateway.pages.assets import Asset
from gateway.pages.branding import Branding
from gateway.pages.folders import Folder, FolderView, Rows, folder_page
from gateway.pages.languages import Language, languages
from gateway.pages.links import (
    FileFailed,
    FileReceived,
    Receives,
    Told,
    card_page,
    front_page,
    landing_page,
    program_page,
    receipt_page,
    undone_page,
    upload_page,
)
from gateway.pages.previews import Kind, Preview, preview_of
from gateway.pages.refusals import Asks, Unfinished, refusal_page
from gateway.pages.render import Look, Page
from gateway.wire.links.program import Program
from gateway.wire.s3.listing import Entry

__all__ = ["LOOKS", "SAMPLES"]

_LONG: Final = "Übersicht_der_Ergebnisse_des_dritten_Quartals_mit_allen_Anhängen_und_Korrekturen_final_2.pdf"
_LOGO: Final = Asset(
    "logo.svg",
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 32"><rect width="120" height="32" fill="#7a1fa2"/>'
    b'<text x="12" y="22" font-family="sans-serif" font-size="16" fill="#fff">Acme</text></svg>',
)

_ASKED: Final = Asks(
    "code", "anna.with-a-rather-long-name.of-the-accounting-department@subsidiary.acme.example", challenge="c" * 200
)
_FILE: Final = Told(
    name=_LONG,
    size=3_141_592,
    content_type="application/pdf",
    expires_at=1.8e9,
    sender="anna@acme.example",
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
)
_SIGN_INS: Final = Asks("oidc", issuers=("Acme", "login.partner.example"))
_PROGRAM: Final = Program("http://127.0.0.1:4321/callback", "a" * 43)
_FOR_PROGRAM: Final = Asks("oidc", issuers=("Acme", "login.partner.example"), carried=_PROGRAM.query)
_README: Final = b"""# Results

What is *here*, see [the report](report.pdf) and `notes`:

1. one
2. two

> A word of warning.

| quarter | turnover in thousands of Euros | remark |
|---------|-------------------------------:|--------|
| first   | 1.234                          | none   |

```sh
curl -O https://share.example/s/TOKEN/report.pdf
```
"""

_WANTED: Final = Receives(
    max_size=5 * 1024**3,
    files_left=10,
    bytes_left=20 * 1024**3,
    types=("image/*", "application/pdf"),
    message="Photos of the day, please.\nThank you.",
    undo=True,
)

LOOKS: Final[dict[str, Look]] = {
    "plain": Look(Branding(), languages()["en"]),
    "branded": Look(
        Branding(
            name="Acme",
            logo=_LOGO,
            accent="#7a1fa2",
            accent_dark="#d59bf0",
            footer="Files are kept for 30 days.",
            imprint="https://acme.example/imprint",
            privacy="https://acme.example/privacy",
        ),
        languages()["de"],
    ),
    "mirrored": Look(Branding(name="أكمي"), Language("ar", "rtl", languages()["en"].texts)),
}
"""An operator's with nothing set, one with all, and a language that is written from right to left."""


def _entries() -> list[Entry]:
    folders = [Entry("Fotos/"), Entry("2026/")]
    return folders + [
        Entry(_LONG if not number else f"Datei {number}.txt", 1536 * number, "2026-03-01T12:00:00Z")
        for number in range(12)
    ]


SAMPLES: Final[dict[str, Callable[[Look], Page]]] = {
    "front": front_page,
    "card": card_page,
    "card-told": lambda look: card_page(look, _FILE),
    "landing": lambda look: landing_page(look, replace(_FILE, uses_left=3), asks=True, may_show=True),
    "landing-confirm": lambda look: landing_page(look, _FILE, asks=True),
    "landing-free": lambda look: landing_page(look, _FILE, asks=False, card=True, preview=Preview(Kind.DOCUMENT)),
    "preview-image": lambda look: landing_page(look, _FILE, asks=False, preview=Preview(Kind.IMAGE)),
    "preview-video": lambda look: landing_page(look, _FILE, asks=False, preview=Preview(Kind.VIDEO)),
    "preview-audio": lambda look: landing_page(look, _FILE, asks=False, preview=Preview(Kind.AUDIO)),
    "preview-text": lambda look: landing_page(
        look,
        _FILE,
        asks=False,
        preview=preview_of(Kind.TEXT, b"def f():\n    return 1\n" * 40 + b"x" * 400, whole=False),
    ),
    "preview-table": lambda look: landing_page(
        look,
        _FILE,
        asks=False,
        preview=preview_of(Kind.TABLE, b"Name;Ort;Betrag;Datum;Bemerkung\nAnna;K;3,5\n" * 9, whole=True),
    ),
    "preview-markdown": lambda look: landing_page(
        look, _FILE, asks=False, preview=preview_of(Kind.MARKDOWN, _README, whole=True)
    ),
    "folder": lambda look: folder_page(
        look,
        Folder("Reports", ["2026", "März"], expires_at=1.8e9, readme=preview_of(Kind.MARKDOWN, _README, whole=True)),
        Rows(_entries(), {"cursor": "x"}),
    ),
    "folder-grid": lambda look: folder_page(
        look,
        Folder("Fotos"),
        Rows([*_entries(), *(Entry(f"IMG_{number}.jpg", 10**6) for number in range(8))], begun=True, block=10_000),
        FolderView("-changed", "IMG", grid=True),
    ),
    "folder-counted": lambda look: folder_page(
        look, Folder("Fotos", free=False), Rows(_entries()), FolderView(grid=True)
    ),
    "folder-found": lambda look: folder_page(look, Folder("Reports"), Rows(), FolderView(find="x")),
    "folder-found-nothing-yet": lambda look: folder_page(
        look, Folder("Reports"), Rows(following={"cursor": "c"}, block=10000), FolderView(find="x")
    ),
    "folder-empty": lambda look: folder_page(look, Folder("Reports"), Rows()),
    "password": lambda look: refusal_page(look, Reason.PASSWORD_REQUIRED, "r1"),
    "password-wrong": lambda look: refusal_page(look, Reason.PASSWORD_WRONG, "r1"),
    "sign-in": lambda look: refusal_page(look, Reason.HOLDER_REQUIRED, "r1", asks=_SIGN_INS),
    "sign-in-failed": lambda look: refusal_page(look, Reason.SIGN_IN_FAILED, "r1", asks=_SIGN_INS),
    "not-a-holder": lambda look: refusal_page(look, Reason.NOT_A_HOLDER, "r1", asks=_SIGN_INS),
    "sign-in-for-a-program": lambda look: refusal_page(look, Reason.HOLDER_REQUIRED, "r1", asks=_FOR_PROGRAM),
    "program": lambda look: program_page(look, who=_ASKED.address, port="4321", address=_PROGRAM.answer("a-code")),
    "holder": lambda look: refusal_page(look, Reason.HOLDER_REQUIRED, "r1"),
    "holder-no-address": lambda look: refusal_page(look, Reason.BAD_ADDRESS, "r1"),
    "holder-code": lambda look: refusal_page(look, Reason.HOLDER_REQUIRED, "r1", asks=_ASKED),
    "holder-code-wrong": lambda look: refusal_page(look, Reason.CODE_WRONG, "r1", asks=_ASKED),
    "holder-sign-in": lambda look: refusal_page(look, Reason.HOLDER_REQUIRED, "r1", asks=Asks("oidc")),
    "terms": lambda look: refusal_page(
        look, Reason.TERMS_NOT_ACCEPTED, "r1", terms="Only for us.\n\nNot to be handed on to others. " + _LONG
    ),
    "folder-receives": lambda look: folder_page(
        look, Folder("Reports", receives=_WANTED), Rows(_entries()), none_selected=True
    ),
    "upload": lambda look: upload_page(look, _WANTED, expires_at=1.8e9),
    "undone": undone_page,
    "receipt": lambda look: receipt_page(
        look,
        stored=[FileReceived(_LONG, 3_141_592, "5e" * 32, "00" * 26), FileReceived("a.txt", 1)],
        failed=[FileFailed("b.exe", Reason.TYPE_NOT_ALLOWED)],
        request_id="01JABCDEF0123456789",
    ),
    "refusal-unfinished": lambda look: refusal_page(look, Reason.USED_UP, "r1", unfinished=Unfinished(("image/*",))),
    "refusal-cookies": lambda look: refusal_page(look, Reason.COOKIES_REFUSED, "01JABCDEF0123456789", anew=True),
    "refusal-expired": lambda look: refusal_page(look, Reason.EXPIRED, "01JABCDEF0123456789"),
    "refusal-unknown": lambda look: refusal_page(look, Reason.UNKNOWN_TOKEN, "01JABCDEF0123456789"),
    "refusal-internal": lambda look: refusal_page(look, Reason.INTERNAL, "01JABCDEF0123456789"),
    "refusal-body": lambda look: refusal_page(look, Reason.UNREAD_BODY, "01JABCDEF0123456789"),
}
