"""The refresh token that rotates: lost but for an instant, never torn, renewed by one at a time, put in by hand."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from clientlore.errors import AuthenticationError, ConfigurationError, RetriableError, StoreError
from clientlore.providers.crm import salesforce_code, token_store
from clientlore.providers.crm.token_store import Tokens, TokenStore
from clientlore.settings import load_settings
from clientlore.testing.fakes.salesforce import CLIENT_ID, REFRESH, expire
from tests.integration.test_crms import COUNT, desk, fake
from tests.support.crm_desk import CrmDesk
from tests.support.die_renewing import MOMENTS

__all__ = ["desk", "fake"]
ROOT = Path(__file__).resolve().parents[2]
USABLE = {"asking": True, "answered": False, "writing": False, "stored": True}


def _environment(desk: CrmDesk) -> dict[str, str]:
    desk.environment |= {"SALESFORCE_REFRESH_TOKEN": REFRESH, "SALESFORCE_DOMAIN": "login"}
    home = str(desk.folder / "home")
    return {**os.environ, "CLIENTLORE_HOME": home, **desk.environment, "PYTHONPATH": str(ROOT)}


def _path(desk: CrmDesk) -> Path:
    return desk.folder / "home" / "tokens" / "salesforce.json"


def _run(desk: CrmDesk, moment: str) -> int:
    return subprocess.run(
        [sys.executable, "-m", "tests.support.die_renewing", moment],
        env=_environment(desk), cwd=desk.folder, check=False, timeout=240,
    ).returncode  # fmt: skip


@pytest.mark.parametrize("first", [True, False], ids=["first login", "later"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_that_is_killed_while_it_renews_leaves_a_usable_token_or_says_to_log_in_again(
    desk: CrmDesk, moment: str, first: bool
) -> None:
    if not first:
        assert _run(desk, "never") == 0
        expire(desk.fake)
    before = _path(desk).read_text() if not first else None
    assert _run(desk, moment) == -signal.SIGKILL
    if moment == "stored":
        newest = json.loads(_path(desk).read_text())["refresh_token"]
        assert newest == desk.fake.state["salesforce"]["refresh"]
    elif first:
        assert not _path(desk).exists()
    else:
        assert _path(desk).read_text() == before

    expire(desk.fake)
    left = [path.name for path in _path(desk).parent.glob(".partial-*")]
    assert bool(left) == (moment == "writing")
    outcome = desk.collect("salesforce")
    if USABLE[moment]:
        assert (outcome.outcome, outcome.error) == ("collected", None)
        return
    assert (outcome.outcome, outcome.error_kind) == ("failed", "authentication")
    assert "no longer takes the refresh token" in str(outcome.error)
    assert "`clientlore crm login`" in str(outcome.error)
    # As it says.
    token = str(desk.fake.state["salesforce"]["refresh"])
    told = subprocess.run(
        [sys.executable, "-m", "clientlore.cli.main", "crm", "login", "--refresh-token"],
        env=_environment(desk), cwd=desk.folder, input=f"{token}\n", text=True, capture_output=True,
        check=False, timeout=240, start_new_session=True,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert token not in told.stdout + told.stderr
    assert desk.refresh("salesforce").accounts == COUNT
    assert not list(_path(desk).parent.glob(".partial-*"))


def test_a_login_in_the_browser_is_stored_and_used_from_then_on(desk: CrmDesk) -> None:
    environment = _environment(desk)
    del desk.environment["SALESFORCE_REFRESH_TOKEN"]
    del environment["SALESFORCE_REFRESH_TOKEN"]
    assert "clientlore crm login" in str(desk.collect("salesforce").error)
    command = [sys.executable, "-m", "clientlore.cli.main", "crm", "login"]
    with subprocess.Popen(
        command, env=environment, cwd=desk.folder, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        url = urlsplit(process.stdout.readline().strip())
        assert (url.netloc, url.path) == ("login.salesforce.com", "/services/oauth2/authorize")
        asked = parse_qs(url.query)
        assert asked["code_challenge_method"] == ["S256"]
        # What the browser would do once the person has said yes.
        base = desk.environment["SALESFORCE_API_BASE"]
        context = httpx.create_ssl_context()
        context.load_verify_locations(desk.environment["CLIENTLORE_CA_FILE"])
        answer = httpx.get(f"{base}{url.path}?{url.query}", verify=context)
        out, err = process.communicate(answer.headers["location"] + "\n", timeout=240)
    assert process.returncode == 0, err
    assert "Logged in at https://advisors.my.salesforce.com" in out
    assert REFRESH not in out + err
    assert oct(_path(desk).stat().st_mode & 0o777) == "0o600"
    assert desk.refresh("salesforce").accounts == COUNT


def test_a_token_that_is_not_taken_leaves_the_stored_one_alone(desk: CrmDesk) -> None:
    assert _run(desk, "never") == 0
    before = _path(desk).read_text()
    told = subprocess.run(
        [sys.executable, "-m", "clientlore.cli.main", "crm", "login", "--refresh-token"],
        env=_environment(desk), cwd=desk.folder, input="nonsense\n", text=True, capture_output=True,
        check=False, timeout=240, start_new_session=True,
    )  # fmt: skip
    assert told.returncode == 1
    assert "no longer takes the refresh token" in told.stderr
    assert _path(desk).read_text() == before


def test_two_who_find_the_token_expired_use_the_refresh_token_once(desk: CrmDesk) -> None:
    assert _run(desk, "never") == 0
    expire(desk.fake)
    before = len(desk.fake.asked("/services/oauth2/token"))
    command = [sys.executable, "-m", "tests.support.die_renewing", "never"]
    running = [subprocess.Popen(command, env=_environment(desk), cwd=desk.folder) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(desk.fake.asked("/services/oauth2/token")) == before + 1


def test_an_address_of_another_login_and_a_no_are_refused() -> None:
    settings = load_settings({"SALESFORCE_CLIENT_ID": CLIENT_ID, "CLIENTLORE_HOME": "/nowhere"})
    invitation = salesforce_code.invite(settings, "http://localhost:1717/callback")
    assert invitation.verifier not in repr(invitation)
    mine = f"http://localhost:1717/callback?code=abc&state={invitation.state}"
    assert salesforce_code.code_in(mine, invitation) == "abc"
    assert salesforce_code.code_in(" abc ", invitation) == "abc"
    with pytest.raises(ConfigurationError, match="not the answer to this login"):
        salesforce_code.code_in("http://localhost:1717/callback?code=abc&state=x", invitation)
    with pytest.raises(AuthenticationError, match="access_denied end-user denied"):
        salesforce_code.code_in(
            "http://localhost:1717/?error=access_denied&error_description=end-user%20denied",
            invitation,
        )
    with pytest.raises(ConfigurationError, match="SALESFORCE_CLIENT_ID"):
        salesforce_code.invite(load_settings({"CLIENTLORE_HOME": "/nowhere"}), "x")


def test_tokens_show_themselves_nowhere_and_a_file_of_somebody_else_says_what_to_do(
    tmp_path: Path,
) -> None:
    store = TokenStore(tmp_path / "tokens" / "salesforce.json")
    assert store.read() is None
    tokens = Tokens("app", "https://x.example", "the-access", "the-refresh")
    assert "the-" not in repr(tokens)
    store.write(tokens)
    assert store.read() == tokens
    assert oct(store.path.parent.stat().st_mode & 0o777) == "0o700"
    store.path.write_text("{")
    with pytest.raises(StoreError, match="clientlore crm login"):
        store.read()


def test_who_waits_too_long_for_another_renewal_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TokenStore(tmp_path / "tokens" / "salesforce.json")
    monkeypatch.setattr(token_store, "PATIENCE", 0.1)

    async def twice() -> None:
        async with store.held(), TokenStore(store.path).held():
            pass

    with pytest.raises(RetriableError, match="renewing"):
        asyncio.run(twice())
