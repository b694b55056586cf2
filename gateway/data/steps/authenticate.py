"""Owns step 3: from what was presented to the grant it stands for, proved.

Refuses to own the cache of grants (`gateway.data.state.grants`) and whether one reaches far enough
(`gateway.core.policy`).

Laws: compare secrets in constant time. A right secret passes however many wrong ones came from the same address: only
an unknown token or key id is a guess, never a bad signature or a clock that is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.core.attempt import Address, SignatureVersion, address_class
from gateway.core.grant import Grant, GrantKind
from gateway.core.holder_pass import open_pass
from gateway.core.holders import Holder
from gateway.core.key_use import require_session
from gateway.core.link_credentials import standing
from gateway.core.reasons import Reason, Refused
from gateway.core.request import ObjectRequest
from gateway.core.token import SecretHash, remembered_hash
from gateway.data.plane import DataPlane, Terms
from gateway.data.presented import (
    FormPresented,
    NothingPresented,
    Presented,
    Resolved,
    ResolvedCaller,
    ResolvedLink,
    SignedPresented,
    TokenPresented,
)
from gateway.data.state.guess_limiter import TOKEN_GUESSES
from gateway.data.steps.password import prove_password
from gateway.data.steps.verify import (
    leaves_type_unsigned,
    verify_alike,
    verify_signature,
    verify_signed_form,
    version_of,
)
from gateway.wire.sig.credentials import Signed, SigV4Header
from gateway.wire.sig.post_policy import SignedForm
from gateway.wire.sig.sigv4 import KnownCanonical, Verified


async def resolve(  # noqa: PLR0917 (one step's arguments, all of them other steps' answers)
    plane: DataPlane, terms: Terms, presented: Presented, request: ObjectRequest, peer: Address | None, now: float
) -> Resolved:
    """Find and prove. `terms` are those of the listener that the request came to.

    Raises:
        Refused: unknown (guessed too often, or not), badly signed, skewed, or without its password.
        DependencyDown: the grant store cannot answer.
    """
    if isinstance(presented, TokenPresented):
        return await _prove_link(plane, presented, request, peer, now)
    as_of = plane.follower.view.serial
    match presented:
        case SignedPresented(signed):
            signature = _require_version(terms, signed)
            grant, secret = await _find_key(plane, signed.access_key_id, signed.session_token, peer, now)
            verified = _prove(plane, terms, signed, request, secret, now)
            acting, credentials = (grant, None) if grant.link is None else (await _link_of(plane, grant), grant)
            return ResolvedCaller(acting.principal, acting, as_of, verified, signature, credentials=credentials)
        case FormPresented(arriving, signed_form):
            if signed_form is None:
                raise Refused(Reason.CREDENTIALS_MISSING, f"a form without a policy: {arriving.form!r}")
            signature = _require_version(terms, signed_form)
            grant, secret = await _find_key(plane, signed_form.access_key_id, signed_form.session_token, peer, now)
            arriving.sizes = verify_signed_form(signed_form, arriving.form, request, secret, now)
            acting, credentials = (grant, None) if grant.link is None else (await _link_of(plane, grant), grant)
            return ResolvedCaller(acting.principal, acting, as_of, None, signature, arriving, credentials)
        case NothingPresented(principal):
            return ResolvedCaller(principal)


def _require_version(terms: Terms, signed: Signed | SignedForm) -> SignatureVersion:
    """The version, if this listener believes it; asked before anything is looked up."""
    version = version_of(signed)
    if version not in terms.signatures:
        raise Refused(Reason.SIGNATURE_VERSION_REFUSED, f"signatures of {version} are switched off on this listener")
    return version


def _prove(  # noqa: PLR0917 (as `resolve`)
    plane: DataPlane, terms: Terms, signed: Signed, request: ObjectRequest, secret: str, now: float
) -> Verified | None:
    """What the signature proves, if the listener takes it as it is."""
    untyped = leaves_type_unsigned(signed, request)
    if untyped and not terms.unsigned_content_type:
        plane.metrics.count_unsigned_content_type("refused")
        raise Refused(Reason.UNSIGNED_HEADER, "content-type is present and not signed, which this listener refuses")
    verified = verify_signature(signed, request, secret, now)
    if untyped:
        plane.metrics.count_unsigned_content_type("accepted")
    return verified


async def _find_key(
    plane: DataPlane, access_key_id: str, session_token: str | None, peer: Address | None, now: float
) -> tuple[Grant, str]:
    """The key grant of an access key id, and the secret to verify with."""
    guesser = f"key:{address_class(peer)}"
    grant = await _look_up(plane, guesser, remembered_hash(access_key_id), now)
    if grant is None or grant.kind is not GrantKind.KEY:
        plane.guesses.count_failure(guesser, TOKEN_GUESSES, now)
        raise Refused(Reason.UNKNOWN_KEY, "no key has this id")
    require_session(grant, session_token)
    return grant, plane.grants.secret_of(grant, access_key_id)


async def _link_of(plane: DataPlane, key: Grant) -> Grant:
    """The link whose credentials a key is, as it stands by them: who comes with them acts as the link.

    Raises:
        Refused: the credentials stand for the link no longer.
        DependencyDown: the grant store cannot answer.
    """
    found = None if key.link is None else await plane.grants.find(key.link)
    known = plane.standings.get(key.hash)
    if known is None or known[0] is not key or known[1] is not found:
        known = plane.standings[key.hash] = key, found, standing(key, found)
    return known[2]  # the same as long as nothing has changed, so that what was found for it is found again


def stands(plane: DataPlane, grant: Grant | None, credentials: Grant | None) -> bool:
    """Whether `resolve` would come to this very grant again, by what is known without waiting, for who presents what it
    was found by; `credentials` are the key by which that was a link's."""
    if credentials is None:
        return grant is None or plane.grants.known_now(grant.hash) is grant
    known = plane.standings.get(credentials.hash)
    if known is None or credentials.link is None or plane.grants.known_now(credentials.hash) is not credentials:
        return False
    return known[0] is credentials and known[1] is plane.grants.known_now(credentials.link) and known[2] is grant


def prove_alike(
    plane: DataPlane, key: Grant, known: KnownCanonical, differing: Sequence[bytes], now: float
) -> tuple[SigV4Header, Verified] | None:
    """What `resolve` would read and prove of a request that is alike to one whose `key` it found, and of which the rest
    is `known`; None if it may refuse."""
    try:
        signed = known.signed.read(differing)
        require_session(key, signed.session_token)
        verified = verify_alike(known, signed, differing, plane.grants.secret_of(key, signed.access_key_id), now)
    except Refused:
        return None
    return None if verified is None else (signed, verified)


async def find_link(plane: DataPlane, presented: TokenPresented, peer: Address | None, now: float) -> ResolvedLink:
    """The link of a token.

    Raises:
        Refused: UNKNOWN_TOKEN, TOO_MANY_GUESSES.
        DependencyDown: the grant store cannot answer.
    """
    guesser = f"token:{address_class(peer)}"
    as_of = plane.follower.view.serial
    grant = await _look_up(plane, guesser, presented.token.hash, now)
    if grant is None or grant.scope is None:
        plane.guesses.count_failure(guesser, TOKEN_GUESSES, now)
        raise Refused(Reason.UNKNOWN_TOKEN, "no link has this token")
    return ResolvedLink(grant, grant.scope, presented, as_of)


async def _look_up(plane: DataPlane, guesser: str, secret_hash: SecretHash, now: float) -> Grant | None:
    """Every secret is looked up, however many were wrong before it; those of one guesser one after the other."""
    if plane.guesses.must_wait(guesser, now) and not plane.grants.knows(secret_hash):
        async with plane.turns.take(guesser):
            return await plane.grants.find(secret_hash)
    return await plane.grants.find(secret_hash)


async def _prove_link(
    plane: DataPlane, presented: TokenPresented, request: ObjectRequest, peer: Address | None, now: float
) -> ResolvedLink:
    found = await find_link(plane, presented, peer, now)
    grant = found.grant
    if grant.password is not None and grant.lapsed(now) is None:
        agent = request.raw.header("user-agent") or ""
        await prove_password(plane, grant, presented.password, presented.proof, peer=peer, agent=agent, now=now)
    if grant.holders is not None and presented.passes:
        return replace(found, holder=_find_holder(grant, presented.passes, now))
    return found


def _find_holder(grant: Grant, passes: Sequence[str], now: float) -> Holder | None:
    """Who came, of all whose passes did: one that the link is for, if there is any. Whether it is for them is decided
    later, and anew for as long as the request runs."""
    shown = [holder for holder in (open_pass(grant, text, now) for text in passes) if holder is not None]
    holders = grant.holders
    return next((holder for holder in shown if holders is not None and holders.admit(holder)), None)
