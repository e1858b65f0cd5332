"""Logging in to Salesforce by hand, once: a person approves the app in a browser, and we get a refresh token.

The authorization code flow with PKCE (RFC 7636): whoever sees the code cannot use it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

from clientlore.errors import AuthenticationError, ConfigurationError
from clientlore.providers.crm.salesforce_line import post_form
from clientlore.providers.crm.salesforce_login import app_of, store_of, tokens_from
from clientlore.providers.crm.token_store import Tokens
from clientlore.providers.http import Http
from clientlore.settings import Settings


@dataclass(frozen=True)
class Invitation:
    """What a person opens, and what proves later that it was we who asked.

    Attributes:
        url: To be opened in a browser.
    """

    url: str
    redirect_uri: str
    state: str
    verifier: str = field(repr=False)


def invite(settings: Settings, redirect_uri: str) -> Invitation:
    """An invitation to log in.

    Raises:
        ConfigurationError: No app is set.
    """
    crm = settings.crm
    if not crm.salesforce_client_id:
        raise ConfigurationError(
            "Nobody can log in to Salesforce without SALESFORCE_CLIENT_ID, which is not set",
            "Set it to the consumer key of your External Client App, in the environment or in .env.",
        )
    state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": crm.salesforce_client_id,
        "redirect_uri": redirect_uri,
        "scope": "api refresh_token",
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    path = f"https://{crm.salesforce_domain}.salesforce.com/services/oauth2/authorize"
    return Invitation(f"{path}?{urlencode(asked)}", redirect_uri, state, verifier)


def code_in(pasted: str, invitation: Invitation) -> str:
    """The code in the address that a browser was sent to; what is no address is the code itself.

    Raises:
        ConfigurationError: The address is not the answer to this invitation.
        AuthenticationError: Salesforce said no.
    """
    told = parse_qs(urlsplit(pasted.strip()).query)
    if not told:
        return pasted.strip()
    if "error" in told:
        about = " ".join((*told["error"], *told.get("error_description", [])))
        raise AuthenticationError(
            f"Salesforce did not let the app in ({about})", "Approve it, and try again."
        )
    if told.get("state") != [invitation.state] or "code" not in told:
        raise ConfigurationError(
            "That address is not the answer to this login",
            "Open the address above, approve, and paste what the browser then shows in its address bar.",
        )
    return told["code"][0]


async def log_in(settings: Settings, http: Http, invitation: Invitation, code: str) -> Tokens:
    """Takes a code for tokens, and stores them.

    Raises:
        ProviderError: Salesforce gives none.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": invitation.redirect_uri,
        "code_verifier": invitation.verifier,
        **app_of(settings),
    }
    tokens = tokens_from(await post_form(settings, http, form), settings)
    store_of(settings).write(tokens)
    return tokens


async def take_over(settings: Settings, http: Http, refresh_token: str) -> Tokens:
    """Tries a refresh token that somebody has, and stores what comes of it.

    Raises:
        ProviderError: Salesforce does not take it; what was stored stays.
    """
    store = store_of(settings)
    async with store.held():
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **app_of(settings)}
        answer = await post_form(settings, http, form)
        tokens = tokens_from(answer, settings, before=refresh_token)
        store.write(tokens)
    return tokens
