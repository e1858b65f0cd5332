"""What people say of a real mail: by command, by the signed link in it, and what is left of it afterwards."""

from __future__ import annotations

import email
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.policy import default
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from clientlore.cli import main as cli
from clientlore.clock import FrozenClock
from clientlore.control import feedback as kept
from clientlore.control import forgotten
from clientlore.control import tables as t
from clientlore.control.tokens import signer_of
from clientlore.digests.feedback import PURPOSE, VALID, give, receive
from clientlore.errors import ConfigurationError, NotFoundError, RefusedError
from clientlore.monitoring.events import EVENTS
from clientlore.run_context import Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace

pytestmark = pytest.mark.usefixtures("bare")

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
BASE = "https://lore.example/app/"
ALONE = "Harbor Foods raises $40 million in a funding round"
BOTH = "Harbor Foods to acquire Oakhurst Mills in a cash deal"
TENANT = """
tenant: acme
name: Acme
users:
  - {{id: ann, name: Ann, email: ann@acme.example}}
  - {{id: ben, name: Ben, email: ben@acme.example}}
clients:
  - {{name: Harbor Foods, id: harbor, owners: [ann]}}
  - {{name: Oakhurst Mills, id: oakhurst, owners: [ann]}}
feeds: [{url}]
"""


def opened(home: Path, **settings: object) -> Iterator[Workspace]:
    with FeedServer() as server, open_workspace(home, FrozenClock(NOW), **settings) as workspace:
        put_tenant(workspace, TENANT.format(url=server.url("/f.xml")))
        put_tenant(workspace, "tenant: other\nname: Other\nusers: [{id: ann, name: Ann}]\n")
        entries = [
            Entry(title, f"{title}, it said.", f"https://news.example/{n}", f"g{n}", NOW - hour)
            for n, (title, hour) in enumerate(
                [(ALONE, timedelta(hours=2)), (BOTH, timedelta(hours=3))]
            )
        ]
        server.put("/f.xml", Answer(rss("The Example", entries)))
        request = RunRequest(NOW.date(), NOW.date(), Scope(("acme",)), deliver=True)
        (result,) = InlineOrchestrator(workspace).launch(request)
        assert result.outcome == "succeeded", result.error
        yield workspace


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[Workspace]:
    """Mails whose lines offer feedback."""
    yield from opened(tmp_path / "home", base_url=BASE)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Workspace]:
    """As it comes: no address to lead to is known."""
    yield from opened(tmp_path / "home")


def parts(workspace: Workspace) -> tuple[str, str]:
    (path,) = workspace.settings.mail.iterdir()
    message = email.message_from_bytes(path.read_bytes(), policy=default)
    found = []
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        found.append(str(body.get_content()).replace("\r\n", "\n"))
    return found[0], found[1]


def token(workspace: Workspace, title: str, words: str) -> str:
    """Of the link with these words under a line."""
    _, _, rest = parts(workspace)[0].partition(title)
    found = re.search(rf"^{words}: {re.escape(BASE)}feedback\?token=(\S+)$", rest, re.MULTILINE)
    assert found is not None
    return found[1]


def event(workspace: Workspace, title: str) -> str:
    rows = workspace.lake.scan(EVENTS, ["acme"]).filter(pl.col("title") == title)
    return str(workspace.lake.collect(EVENTS, rows)["event_id"].item())


def everything(workspace: Workspace, tenant_id: str = "acme") -> list[kept.Feedback]:
    with workspace.control.read() as connection:
        return kept.given(connection, tenant_id)


def test_a_mail_offers_feedback_only_where_its_links_lead_somewhere(plain: Workspace) -> None:
    text, html = parts(plain)
    assert "token=" not in text + html
    assert not (plain.settings.home / "secret.key").exists()


def test_text_and_html_offer_the_same_links_for_each_line(linked: Workspace) -> None:
    text, html = parts(linked)
    in_text = re.findall(r"^\w[\w ]+: (https://lore\.example\S+)$", text, re.MULTILINE)
    links = [a.attributes["href"] or "" for a in HTMLParser(html).css("a")]
    assert in_text == [link for link in links if link.startswith(BASE)]
    assert len(set(in_text)) == 8  # two lines, four links each


def test_a_link_counts_once_and_keeps_what_was_mailed(linked: Workspace) -> None:
    followed = token(linked, ALONE, "Not useful")
    first, again = receive(linked, followed), receive(linked, followed)
    assert (first.fresh, again.fresh) == (True, False)
    (found,) = everything(linked)
    assert found == first.feedback == again.feedback
    assert (found.kind, found.channel, found.client_id) == ("not_useful", "link", "harbor")
    assert found.event_id == event(linked, ALONE)
    assert found.given_at == NOW
    assert found.judgement["category"] == "funding"
    assert found.judgement["method"] == "local"
    assert 0.5 <= found.judgement["score"] <= 1
    assert everything(linked, "other") == []


def test_a_link_that_was_changed_expired_or_is_about_something_forgotten_keeps_nothing(
    linked: Workspace,
) -> None:
    good = token(linked, ALONE, "Useful")
    with pytest.raises(RefusedError, match="signature"):
        receive(linked, good[:-2] + ("AA" if good[-2:] != "AA" else "BB"))
    foreign = signer_of(linked.settings).sign(PURPOSE, ("other", "n" * 32, "useful"), NOW + VALID)
    with pytest.raises(NotFoundError, match="no longer known"):
        receive(linked, foreign)
    assert isinstance(linked.clock, FrozenClock)
    linked.clock.advance(VALID)
    with pytest.raises(RefusedError, match="expired"):
        receive(linked, good)
    assert everything(linked) == []


def test_a_wrong_category_needs_the_right_one(linked: Workspace) -> None:
    followed = token(linked, ALONE, "Wrong category")
    for category in (None, "sports"):
        with pytest.raises(ConfigurationError, match="categor"):
            receive(linked, followed, category)
    assert receive(linked, followed, "earnings").feedback.category == "earnings"
    with pytest.raises(ConfigurationError, match="takes no category"):
        receive(linked, token(linked, ALONE, "Useful"), "earnings")


def test_an_event_about_several_clients_needs_one_named(plain: Workspace) -> None:
    about = event(plain, BOTH)
    with pytest.raises(ConfigurationError, match=r"harbor, oakhurst\. Name one with --client"):
        give(plain, "acme", about, "ann", "useful")
    taken = give(plain, "acme", about, "ann", "wrong_client", client="oakhurst")
    assert taken.feedback.client_id == "oakhurst"
    with pytest.raises(NotFoundError, match="not judged for client 'kiln'"):
        give(plain, "acme", about, "ann", "useful", client="kiln")
    with pytest.raises(NotFoundError):
        give(plain, "other", about, "ann", "useful")


def test_a_line_is_about_the_client_under_which_it_stood(plain: Workspace) -> None:
    about = event(plain, BOTH)
    with plain.control.read() as connection:
        row = connection.execute(
            sa.select(t.notifications).where(t.notifications.c.event_id == about)
        ).one()
    for reference in (row.reference, row.reference.lower().replace("-", "")):
        assert give(plain, "acme", reference, "ann", "useful").feedback.client_id == row.client_id


def test_saying_the_same_again_changes_nothing_and_another_verdict_takes_its_place(
    plain: Workspace,
) -> None:
    about = event(plain, ALONE)
    fresh = [
        give(plain, "acme", about, "ann", kind).fresh
        for kind in ("useful", "useful", "not_useful", "useful")
    ]
    assert fresh == [True, False, True, True]
    give(plain, "acme", about, "ann", "wrong_category", category="award")
    give(plain, "acme", about, "ben", "not_useful")
    told = everything(plain)
    assert len(told) == 5
    assert [f.kind for f in kept.in_force(told)] == ["useful", "wrong_category", "not_useful"]


def test_who_is_forgotten_takes_their_feedback_along(plain: Workspace) -> None:
    about = event(plain, ALONE)
    for person in ("ann", "ben"):
        give(plain, "acme", about, person, "useful")
    with plain.control.write() as connection:
        forgotten.scrub(connection, "acme", forgotten.known_as(connection, "acme", "ann"))
    (left,) = everything(plain)
    with plain.control.read() as connection:
        assert left.user_id not in forgotten.known_as(connection, "acme", "ann").ids


def test_the_commands_give_list_export_and_suggest(
    plain: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLIENTLORE_HOME", str(plain.settings.home))

    def typed(*arguments: str, status: int = 0) -> str:
        capsys.readouterr()
        code: object = 0
        try:
            cli.main(["feedback", *arguments, "--tenant", "acme"])
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        assert code == status, err
        return out if status == 0 else err

    reference = re.findall(r"Ref (\S{9})", parts(plain)[0])[0]
    assert "Kept: ann on" in typed(
        "give", reference, "useful", "--user", "ann", "--client", "harbor"
    )
    again = json.loads(
        typed("give", reference, "useful", "--user", "ann", "--client", "harbor", "--json")
    )
    assert again["fresh"] is False
    assert "There is no user 'cy'" in typed("give", reference, "useful", "--user", "cy", status=1)
    event_id = again["event_id"]
    typed("give", event_id, "not_useful", "--user", "ann", "--client", "harbor")
    assert [row["kind"] for row in json.loads(typed("list", "--json"))] == ["not_useful", "useful"]
    assert "not_useful" in typed("list", "--user", "ann")
    out = plain.settings.home / "gold.jsonl"
    typed("export", "--out", str(out))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["kind"], row["in_force"]) for row in rows] == [
        ("useful", False),
        ("not_useful", True),
    ]
    assert rows[0]["judgement"]["score"] > 0
    assert rows[0]["user"] == "ann"
    assert ALONE not in out.read_text()
    assert typed("export", "--out", "-", "--user", "ben") == ""
    assert "Nothing is suggested below 10 verdicts" in typed("suggest")
    assert json.loads(typed("suggest", "--json"))[0]["not_useful"] == 1
    assert "20 are needed" in typed("teach")
