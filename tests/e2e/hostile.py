# ruff: noqa: E501 (a payload is read as one text)
"""Owns files that run a script wherever somebody lets them: the type they are sent with, and their bytes."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

__all__ = ["MARK", "NAMES", "Payload", "payloads", "pdf"]

MARK = "executed-by-a-file"
_JS = f"console.log('{MARK}');fetch('/{MARK}');document.title='{MARK}'"
_HTML = (
    f'<!doctype html><title>x</title><body onload="{_JS}"><script>{_JS}</script><img src=x onerror="{_JS}">'.encode()
)
_SVG_NS = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
_XHTML = (
    f'<html xmlns="http://www.w3.org/1999/xhtml"><body onload="{_JS}"><script>{_JS}</script></body></html>'.encode()
)
_SVG = f'<svg {_SVG_NS} onload="{_JS}"><script>{_JS}</script><circle r="9"/></svg>'.encode()

NAMES = (
    f"<img src=x onerror={MARK}>.txt",
    f"\"><script>console.log('{MARK}')</script>.txt",
    f"javascript:console.log('{MARK}')",
    "a\u202egpj.exe.txt",
    "'onmouseover='x.svg",
    "x.html;.png",
    "{{7*7}}${7*7}.txt",
)
"""Names that a careless page would run."""


@dataclass(frozen=True, slots=True)
class Payload:
    """One file. `kind` None sends no Content-Type."""

    name: str
    kind: str | None
    body: bytes
    encoding: str | None = None


def payloads() -> list[Payload]:
    """All of them: active types, passive types with active bytes, and types that only look passive."""
    return [*_active(), *_svg(), *_xml(), *_sniffed(), *_odd_types()]


def _active() -> list[Payload]:
    kinds = [
        "text/html",
        "text/html; charset=utf-8",
        "TEXT/HTML",
        "text/html;x=y",
        "application/xhtml+xml",
        "text/html\t",
        "text/html;charset=utf-7",
        "text/html; charset=iso-2022-jp",
        "text/html; a=b, text/plain",
    ]
    found = [Payload(f"active{n}.html", kind, _XHTML if "xhtml" in kind else _HTML) for n, kind in enumerate(kinds)]
    found.append(Payload("packed.html", "text/html", gzip.compress(_HTML), "gzip"))
    found.append(
        Payload("refresh.html", "text/html", b'<meta http-equiv=refresh content="0;url=javascript:%s">' % _JS.encode())
    )
    found.append(
        Payload(
            "base.html",
            "text/html",
            b"<base href='javascript:/a/-%s'><iframe srcdoc=\"<script>%s</script>\">" % ((_JS.encode(),) * 2),
        )
    )
    found.append(
        Payload("data.html", "text/html", b'<iframe src="data:text/html,<script>%s</script>"></iframe>' % _JS.encode())
    )
    found.append(
        Payload(
            "worker.html", "text/html", b"<script>navigator.serviceWorker.register('sw.js');%s</script>" % _JS.encode()
        )
    )
    found.append(Payload("script.js", "text/javascript", _JS.encode()))
    return found


def _svg() -> list[Payload]:
    inner = {
        "handler": f'<animate attributeName="x" begin="0s" onbegin="{_JS}"/>',
        "foreign": f'<foreignObject width="9" height="9"><body xmlns="http://www.w3.org/1999/xhtml" onload="{_JS}"><iframe srcdoc="&lt;script&gt;{_JS}&lt;/script&gt;"/></body></foreignObject>',
        "link": f'<a xlink:href="javascript:{_JS}"><animate attributeName="href" values="javascript:{_JS}"/><text y="9">x</text></a>',
        "use": f'<use xlink:href="data:image/svg+xml,&lt;svg id=%27x%27 onload=%27{MARK}%27/&gt;#x"/><script xlink:href="data:,{_JS}"/>',
        "cdata": f"<script><![CDATA[{_JS}]]></script>",
    }
    found = [
        Payload(f"{name}.svg", "image/svg+xml", f"<svg {_SVG_NS}>{text}</svg>".encode()) for name, text in inner.items()
    ]
    found += [
        Payload(f"svg{n}.svg", kind, _SVG)
        for n, kind in enumerate(
            ["image/svg+xml", "image/svg+xml; charset=utf-8", "IMAGE/SVG+XML", "text/xml", "image/svg"]
        )
    ]
    return found


def _xml() -> list[Payload]:
    sheet = b'<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#s"?>'
    sheet += (
        b'<r xmlns:x="http://www.w3.org/1999/XSL/Transform"><x:stylesheet id="s" version="1.0"><x:template match="/"><html><script>%s</script></html></x:template></x:stylesheet></r>'
        % _JS.encode()
    )
    kinds = [
        "text/xml",
        "application/xml",
        "application/rss+xml",
        "application/mathml+xml",
        "text/xsl",
        "application/x+xml",
        "application/xslt+xml",
        "application/rdf+xml",
        "application/atom+xml",
        "application/xml-dtd",
        "application/vnd.wap.xhtml+xml",
        "TEXT/XSL; charset=utf-8",
    ]
    return [
        *(Payload(f"x{n}.xml", kind, _XHTML) for n, kind in enumerate(kinds)),
        *(Payload(f"sheet{n}.xml", kind, sheet) for n, kind in enumerate(["text/xml", "text/xsl", "application/xml"])),
    ]


def _sniffed() -> list[Payload]:
    utf7 = b"+ADw-script+AD4-%s+ADw-/script+AD4-" % _JS.encode()
    png = b"\x89PNG\r\n\x1a\n" + b"\0" * 8 + _HTML
    found = [Payload("none", None, _HTML), Payload("none.svg", None, _SVG), Payload("none.html", "", _HTML)]
    kinds = [
        "text/plain",
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/bmp",
        "audio/mpeg",
        "video/mp4",
        "text/css",
    ]
    kinds += ["application/octet-stream", "application/json", "foo/bar", "text/vtt", "application/x-unknown", "*/*"]
    found += [Payload(f"sniffed{n}.html", kind, _HTML) for n, kind in enumerate(kinds)]
    found.append(Payload("gif.html", "image/gif", b"GIF89a/*" + _HTML + b"*/=1;" + _JS.encode()))
    found.append(Payload("bmp.html", "image/bmp", b"BM" + _HTML))
    found.append(Payload("png.html", "image/png", png))
    found.append(Payload("utf7.txt", "text/plain; charset=utf-7", utf7))
    found.append(Payload("jis.txt", "text/plain; charset=iso-2022-jp", b"\x1b$@" + _HTML))
    found.append(Payload("wide.txt", "text/plain; charset=utf-16", _HTML.decode().encode("utf-16")))
    return found


def _odd_types() -> list[Payload]:
    mixed = b"--b\r\nContent-Type: text/html\r\n\r\n" + _HTML + b"\r\n--b--"
    mail = b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n" + mixed
    return [
        Payload("mixed.html", "multipart/x-mixed-replace; boundary=b", mixed),
        Payload("mail.mht", "message/rfc822", mail),
        Payload("mail2.mht", "multipart/related; boundary=b", mail),
        Payload("doc.html", "application/pdf", b"%PDF-1.7\n" + _HTML),
        Payload("cache.html", "text/cache-manifest", b"CACHE MANIFEST\n" + _HTML),
        Payload("two.html", "text/plain, text/html", _HTML),
        Payload("two2.html", "image/png;text/html", _HTML),
        Payload("two3.html", "text/plain; a=b, text/html", _HTML),
        Payload("two4.html", 'text/plain; a=", text/html', _HTML),
        Payload("two5.html", 'text/plain; a=", text/html"', _HTML),
        Payload("two6.html", "text/plain; charset=utf-8; charset=utf-7", _HTML),
        Payload("two7.html", "video/mp4, text/html", _HTML),
        Payload("long.html", "text/html" + " " * 40 + ";", _HTML),
        Payload("app.webmanifest", "application/manifest+json", _HTML),
        Payload("flash.swf", "application/x-shockwave-flash", b"FWS" + _HTML),
    ]


def pdf(script: str = "") -> bytes:
    """One red page, and a script that its viewer runs when the file is opened."""
    action = f"/OpenAction<</S/JavaScript/JS({script})>>" if script else ""
    parts = [
        f"<</Type/Catalog/Pages 2 0 R{action}>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R>>",
        "<</Length 24>>stream\n1 0 0 rg 0 0 300 300 re f\nendstream",
    ]
    body, starts = b"%PDF-1.7\n", []
    for number, part in enumerate(parts, 1):
        starts.append(len(body))
        body += f"{number} 0 obj{part} endobj\n".encode()
    table = "".join(f"{start:010d} 00000 n \n" for start in starts)
    trailer = f"trailer<</Root 1 0 R/Size 5>>\nstartxref\n{len(body)}\n%%EOF"
    return body + f"xref\n0 5\n0000000000 65535 f \n{table}{trailer}".encode()
