"""Logging in to Salesforce: three flows, chosen by what is set, in this order.

1. JWT bearer: `SALESFORCE_USERNAME` and `SALESFORCE_PRIVATE_KEY_FILE`.
2. Refresh token: `SALESFORCE_REFRESH_TOKEN`, or what `clientlore crm login` stored; the token rotates.
3. Client credentials: `SALESFORCE_CLIENT_SECRET` and the `SALESFORCE_DOMAIN` of one's own.

All need `SALESFORCE_CLIENT_ID`. The first and the third are made by simple-salesforce, which lacks the second.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clientlore.errors import AuthenticationError, BadDataError, PermanentError, ProviderError
from clientlore.providers.crm.token_store import Tokens, TokenStore, mark
from clientlore.providers.http import HttpResponse, Said
from clientlore.providers.refusals import plain_line
from clientlore.settings import Settings

if TYPE_CHECKING:
    import requests

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
COMMON = frozenset({"login", "test"})
"""Domains at which everybody logs in; client credentials need one's own."""
LOG_IN_AGAIN = "Log in again with `clientlore crm login`."
Flow = Literal["jwt", "refresh", "client"]
Post = Callable[[dict[str, str]], Awaitable[HttpResponse]]


@dataclass(frozen=True)
class Grant:
    """What lets us ask: an access token, and where."""

    token: str = field(repr=False)
    instance_url: str


def store_of(settings: Settings) -> TokenStore:
    """Where the tokens of the refresh-token flow lie."""
    return TokenStore(settings.home / "tokens" / "salesforce.json")


def flow_of(settings: Settings) -> Flow:
    """Which flow is set up.

    Raises:
        AuthenticationError: None is; the message names the variables.
    """
    crm = settings.crm
    if not crm.salesforce_client_id:
        raise AuthenticationError(
            "Salesforce needs the variable SALESFORCE_CLIENT_ID, which is not set",
            "Set it to the consumer key of your External Client App, in the environment or in .env.",
        )
    if crm.salesforce_username and crm.salesforce_key_path:
        return "jwt"
    if crm.salesforce_refresh_token or newest(settings) is not None:
        return "refresh"
    if crm.salesforce_client_secret and crm.salesforce_domain not in COMMON:
        return "client"
    raise AuthenticationError(
        "Salesforce has a client id and no way to log in",
        "Run `clientlore crm login`; or set SALESFORCE_CLIENT_SECRET and the SALESFORCE_DOMAIN of your own "
        "(acme.my), or SALESFORCE_USERNAME and SALESFORCE_PRIVATE_KEY_FILE.",
    )


def newest(settings: Settings) -> Tokens | None:
    """The stored tokens, unless another app is set, or the environment has been given another token since."""
    crm = settings.crm
    found = store_of(settings).read()
    if found is None or found.client_id != crm.salesforce_client_id:
        return None
    return found if found.beside == mark(_secret(crm.salesforce_refresh_token)) else None


class Login:
    """Gets access tokens and renews them."""

    def __init__(self, settings: Settings, session: requests.Session, post: Post) -> None:
        self._settings = settings
        self._session = session
        self._post = post
        self._flow = flow_of(settings)
        self._renewing = asyncio.Lock()
        self._grant: Grant | None = None

    async def grant(self, *, instead_of: Grant | None = None) -> Grant:
        """A grant; another one than that which is no longer taken.

        Raises:
            ProviderError: Nobody can log in so; the message says what to do.
        """
        async with self._renewing:
            if self._grant is None or self._grant == instead_of:
                if self._flow == "refresh":
                    self._grant = await self._refreshed(instead_of)
                else:
                    self._grant = await asyncio.to_thread(self._by_library)
            return self._grant

    def _by_library(self) -> Grant:
        from cryptography.exceptions import UnsupportedAlgorithm
        from jwt.exceptions import PyJWTError
        from simple_salesforce.exceptions import SalesforceAuthenticationFailed
        from simple_salesforce.login import SalesforceLogin

        crm = self._settings.crm
        given: dict[str, Any] = {"consumer_secret": _secret(crm.salesforce_client_secret)}
        if self._flow == "jwt":
            assert crm.salesforce_key_path is not None
            given = {
                "username": crm.salesforce_username,
                "privatekey": _private_key(crm.salesforce_key_path),
            }
        try:
            token, instance = SalesforceLogin(
                session=self._session,
                domain=crm.salesforce_domain,
                consumer_key=crm.salesforce_client_id,
                **given,
            )
        except SalesforceAuthenticationFailed as error:
            raise BadDataError(
                f"Salesforce's answer to the login cannot be read ({type(error).__name__})",
                "Try again later.",
            ) from None
        except (PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, AttributeError) as error:
            # A key that cannot sign fails inside the library, in words that may hold a part of it.
            raise AuthenticationError(
                f"The login to Salesforce cannot be made ({type(error).__name__})",
                "Check SALESFORCE_PRIVATE_KEY_FILE: it must hold the RSA key of the app's certificate, as PEM.",
            ) from None
        return Grant(token, f"https://{instance}")

    async def _refreshed(self, old: Grant | None) -> Grant:
        """The stored access token while it is taken; else a new one, used once its refresh token is on disk."""
        settings, store = self._settings, store_of(self._settings)
        async with store.held():
            stored = newest(settings)
            if stored is not None and stored.access_token and not _is(stored, old):
                return Grant(stored.access_token, stored.instance_url)
            given = _secret(settings.crm.salesforce_refresh_token)
            token = stored.refresh_token if stored is not None else given
            assert token is not None
            asked = {"grant_type": "refresh_token", "refresh_token": token}
            answer = await self._post({**asked, **app_of(settings)})
            tokens = tokens_from(answer, settings, before=token)
            store.write(tokens)
        return Grant(tokens.access_token, tokens.instance_url)


def app_of(settings: Settings) -> dict[str, str]:
    """Who asks for a token, as the form has it."""
    secret = _secret(settings.crm.salesforce_client_secret)
    told = {"client_id": settings.crm.salesforce_client_id or ""}
    return {**told, "client_secret": secret} if secret else told


def tokens_from(answer: HttpResponse, settings: Settings, *, before: str | None = None) -> Tokens:
    """The tokens in an answer; the refresh token is that of before where none came.

    Raises:
        BadDataError: It has none.
    """
    try:
        told = json.loads(answer.body)
        return Tokens(
            client_id=settings.crm.salesforce_client_id or "",
            instance_url=str(told["instance_url"]),
            access_token=str(told["access_token"]),
            refresh_token=str(told.get("refresh_token") or before or _no_refresh_token()),
            beside=mark(_secret(settings.crm.salesforce_refresh_token)),
        )
    except (ValueError, KeyError, TypeError):
        raise BadDataError(
            "Salesforce's answer to the login has no token in it",
            f"If it goes on: {LOG_IN_AGAIN}",
        ) from None


def judge_login(said: Said) -> ProviderError | None:
    """The fault in an answer to a login."""
    if said.status not in {400, 401, 403}:
        return None
    try:
        told = json.loads(said.body)
        code, text = str(told["error"]), str(told.get("error_description", ""))
    except (ValueError, KeyError, TypeError):
        return None
    about = f"({code}: {plain_line(text)})"
    if code == "invalid_grant" and "access/refresh token" in text:
        return AuthenticationError(
            f"Salesforce no longer takes the refresh token {about}", LOG_IN_AGAIN, detail=code
        )
    if code in {"invalid_client", "invalid_client_id"}:
        return AuthenticationError(
            f"Salesforce does not know the app {about}",
            "Check SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET in the environment or in .env.",
            detail=code,
        )
    return AuthenticationError(
        f"Salesforce refused the login {about}",
        "Check the SALESFORCE_ variables, and in Salesforce that the app's policy lets this user in.",
        detail=code,
    )


def _no_refresh_token() -> str:
    raise PermanentError(
        "Salesforce gave no refresh token",
        "Give the app the scope refresh_token (offline_access), and log in again.",
    )


def _is(stored: Tokens, grant: Grant | None) -> bool:
    return grant is not None and stored.access_token == grant.token


def _private_key(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError) as error:
        raise AuthenticationError(
            f"SALESFORCE_PRIVATE_KEY_FILE names {path}, which cannot be read ({type(error).__name__})",
            "Point it at the key, as PEM.",
        ) from None


def _secret(value: Any) -> str | None:
    return value.get_secret_value() if value is not None else None
