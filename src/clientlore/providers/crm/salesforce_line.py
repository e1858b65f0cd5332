"""The line to Salesforce: simple-salesforce makes the requests, our HTTP layer sends them.

The library works in a thread of its own and hands each request to the one adapter of its session. That gives it the
access token of the moment, renews one that has expired and sends the request again, so that neither the library nor
who uses it notices. Where `SALESFORCE_API_BASE` names another place, every Salesforce host is asked there.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from clientlore.errors import (
    AuthenticationError,
    BadDataError,
    PermanentError,
    ProviderError,
    QuotaExhaustedError,
    RetriableError,
)
from clientlore.ids import stable_id
from clientlore.providers.crm.salesforce_login import TOKEN_PATH, Grant, Login, judge_login
from clientlore.providers.http import Http, HttpResponse, Judge, Said
from clientlore.providers.limits import Allowance
from clientlore.providers.refusals import plain_line
from clientlore.settings import Settings

if TYPE_CHECKING:
    import requests
    from simple_salesforce.api import Salesforce

RATE, BURST = 20.0, 20
MAX_BYTES = 100_000_000
PATIENCE = 1_800.0
"""Seconds to wait for one page, which a bulk job may make us do."""
_EXPIRED = "INVALID_SESSION_ID"
_LATER = frozenset({"QUERY_TIMEOUT", "SERVER_UNAVAILABLE", "INVALID_QUERY_LOCATOR"})
_OURS = frozenset(
    {"user-agent", "accept-encoding", "connection", "content-length", "authorization"}
)
"""Headers that are the HTTP layer's or the line's to say."""


class Line:
    """One conversation with Salesforce, within one event loop."""

    def __init__(self, settings: Settings, http: Http) -> None:
        try:
            import requests
            import simple_salesforce  # noqa: F401 - whether it is there
        except ImportError:
            raise PermanentError(
                "Salesforce needs its client, which is not installed",
                "Install clientlore[salesforce].",
            ) from None
        self._settings = settings
        self._http = http
        self._session = requests.Session()
        # What a .netrc says about the host would take the place of the token.
        self._session.trust_env = False
        self._session.mount("https://", _through(self, asyncio.get_running_loop()))
        self._login = Login(settings, self._session, self.post)
        self._until = 0.0
        self.last: HttpResponse | None = None

    async def call(self, ask: Callable[[Salesforce], Any], *, whole: bool = True) -> HttpResponse:
        """Lets the library ask, and gives its last answer as it came.

        Args:
            ask: Called with the library, in a thread.
            whole: Whether an answer that the library cannot read is an answer still: who keeps it will say so.

        Raises:
            ProviderError: There is no answer, or none that can be read.
        """
        from simple_salesforce.exceptions import SalesforceError, SalesforceOperationError

        self._begin()
        library = self._library(await self._login.grant())
        try:
            await asyncio.to_thread(ask, library)
        except SalesforceOperationError as error:
            raise RetriableError(
                f"Salesforce's bulk job failed ({plain_line(str(error))})",
                "It will be asked again.",
            ) from None
        except (SalesforceError, LookupError, ValueError, TypeError, AttributeError) as error:
            if whole and self.last is not None:
                return self.last
            raise _unreadable(type(error).__name__) from None
        if self.last is None:
            raise _unreadable("nothing came")
        return self.last

    def _begin(self) -> None:
        self.last, self._until = None, time.monotonic() + PATIENCE

    def _library(self, grant: Grant) -> Salesforce:
        from simple_salesforce.api import Salesforce

        return Salesforce(
            # The adapter puts in the token of the moment.
            session_id="-",
            instance_url=grant.instance_url,
            session=self._session,
            version=self._settings.crm.salesforce_version,
        )

    async def send(self, request: requests.PreparedRequest) -> HttpResponse:
        """Sends what the library has made; a token that has expired is renewed once."""
        assert request.url is not None
        assert request.method is not None
        body = request.body.encode() if isinstance(request.body, str) else request.body
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _OURS}
        if urlsplit(request.url).path == TOKEN_PATH:
            # Here alone the library knows what stands in it.
            told = request.headers.get("Authorization")
            headers |= {"authorization": told} if told else {}
            return await self._ask(request.method, request.url, headers, body, judge_login)
        if time.monotonic() > self._until:
            raise RetriableError("Salesforce's bulk job takes too long", "It will be asked again.")
        grant = await self._login.grant()
        for grant_left in (True, False):
            token = {"authorization": f"Bearer {grant.token}"}
            try:
                self.last = await self._ask(
                    request.method, request.url, {**headers, **token}, body, _judge
                )
                break
            except AuthenticationError as error:
                if error.detail != _EXPIRED or not grant_left:
                    raise
            grant = await self._login.grant(instead_of=grant)
        assert self.last is not None
        return self.last

    async def post(self, form: dict[str, str]) -> HttpResponse:
        """Asks for a token."""
        return await post_form(self._settings, self._http, form)

    async def _ask(
        self, method: str, url: str, headers: dict[str, Any], body: Any, judge: Judge
    ) -> HttpResponse:
        settings = self._settings
        return await _send(settings, self._http, method, url, headers, body, judge)


async def post_form(settings: Settings, http: Http, form: dict[str, str]) -> HttpResponse:
    """Asks the domain that is set for a token.

    Raises:
        ProviderError: It gives none; the message says what to do.
    """
    url = f"https://{settings.crm.salesforce_domain}.salesforce.com{TOKEN_PATH}"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return await _send(settings, http, "POST", url, headers, urlencode(form).encode(), judge_login)


async def _send(
    settings: Settings,
    http: Http,
    method: str,
    url: str,
    headers: dict[str, Any],
    body: Any,
    judge: Judge,
) -> HttpResponse:
    base = settings.crm.salesforce_base
    if base is not None:
        parts = urlsplit(url)
        headers = {**headers, "host": parts.netloc}
        url = base.rstrip("/") + parts._replace(scheme="", netloc="").geturl()
    account = stable_id(settings.crm.salesforce_client_id, size=4)
    return await http.request(
        method,
        url,
        headers=headers,
        content=body,
        max_bytes=MAX_BYTES,
        judge=judge,
        allowance=Allowance(f"Salesforce:{account}", RATE, BURST),
    )


def _through(line: Line, loop: asyncio.AbstractEventLoop) -> Any:
    """The adapter of the library's session."""
    import requests
    from requests.adapters import BaseAdapter

    class Through(BaseAdapter):
        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            answer = asyncio.run_coroutine_threadsafe(line.send(request), loop).result()
            made = requests.Response()
            made.status_code = answer.status
            made.headers.update(answer.headers)
            made.raw = io.BytesIO(answer.body)
            made.url = request.url or ""
            made.request = request
            made.encoding = "utf-8"
            return made

        def close(self) -> None:
            pass

    return Through()


def _judge(said: Said) -> ProviderError | None:
    """The fault in what Salesforce says: a list of codes with messages."""
    if said.status < 400:
        return None
    try:
        first = json.loads(said.body)[0]
        code, text = str(first["errorCode"]), plain_line(str(first.get("message", "")))
    except (ValueError, KeyError, TypeError, IndexError):
        code, text = "no code", plain_line(said.body)
    about = f"({said.status}: {code}: {text})"
    if code in _LATER:
        return RetriableError(f"Salesforce is busy {about}", "It will be asked again.")
    if said.status >= 500 or said.status in {402, 408, 425, 429}:
        return None
    return _refusal(said.status, code, about)


def _refusal(status: int, code: str, about: str) -> ProviderError:
    if code == _EXPIRED:
        return AuthenticationError(
            f"Salesforce no longer takes the session {about}",
            "Check in Salesforce that the app's session policy lets it work.",
            detail=_EXPIRED,
        )
    if code == "REQUEST_LIMIT_EXCEEDED":
        return QuotaExhaustedError(
            f"Salesforce says that the requests of the day are used up {about}",
            "They begin anew within 24 hours; look at the org's limits.",
            detail=code,
        )
    if status in {401, 403}:
        return AuthenticationError(
            f"Salesforce does not let the user in {about}",
            "Give the user of the integration access to the API.",
            detail=code,
        )
    return PermanentError(
        f"Salesforce does not know what it was asked {about}",
        "Let the user of the integration see accounts, contacts, tasks and events with their fields, and check "
        "SALESFORCE_API_VERSION.",
        detail=code,
    )


def _unreadable(why: str) -> ProviderError:
    return BadDataError(
        f"Salesforce's answer is not what it should be ({why})", "It will be asked again."
    )
