"""The command line in process, without an application: what people type, and how it is answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from clientlore.cli import main as cli
from clientlore.control import migrate
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from tests.support.typed import Commands as Typed


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        yield running


@pytest.fixture
def own_tenant(typed: Typed, server: FeedServer) -> FeedServer:
    """A live tenant made with `init`, `apply` and `client add`, as a new user would."""
    typed(
        "init",
        "--tenant",
        "acme",
        "--name",
        "Acme Advisors",
        "--user",
        "Ann Lee",
        "--email",
        "ann@acme.example",
    )
    typed("apply", "tenant.yaml")
    text = "Harbor Foods said it will acquire Oakhurst Group for $90 million, its second deal this year."
    feed = server.put(
        "/f.xml",
        Answer(
            rss(
                "Wire",
                [Entry("Harbor Foods to acquire Oakhurst", text, "https://w.example/1", "g1")],
            )
        ),
    )
    typed("client", "add", "Harbor Foods", "--domain", "harborfoods.example", "--feed", feed)
    return server


def test_init_writes_a_commented_file_that_apply_accepts(typed: Typed, tmp_path: Path) -> None:
    assert "clientlore apply tenant.yaml" in typed("init", "--name", "Müller & Söhne: GmbH").out
    text = (tmp_path / "tenant.yaml").read_text()
    assert text.count("#") > 20
    assert "exists already" in typed("init", status=1).err
    typed("init", "--force")
    shown = typed("apply", "tenant.yaml", "--dry-run", "--json").json
    assert shown["dry_run"] is True
    assert typed("tenant", "list", "--json").json == []
    applied = typed("apply", "tenant.yaml", "--json").json
    assert applied["changes"] == shown["changes"] != []
    assert "already as tenant.yaml says" in typed("apply", "tenant.yaml").out


def test_a_bad_tenant_file_names_the_line_and_what_is_allowed(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "tenant: acme\nname: Acme\nusers:\n  - name: Ann\n    zone: Europe/Lodnon\n    treshold: 0.4\n"
        "    threshold: 1.2\n"
    )
    said = typed("apply", "bad.yaml", status=1).err
    assert "bad.yaml line 5" in said
    assert "Europe/London" in said
    assert "bad.yaml line 6: unknown key 'treshold'; did you mean 'threshold'?" in said
    assert "bad.yaml line 7" in said
    assert "less than or equal to 1" in said
    assert typed("tenant", "list", "--json").json == []


def test_five_minutes_from_nothing_to_a_digest_about_ones_own_client(
    typed: Typed, own_tenant: FeedServer, tmp_path: Path
) -> None:
    summary = typed("run", "--deliver", "--json").json
    assert summary["outcome"] == "succeeded"
    (line,) = [x for x in summary["days"] if x["mails"]]
    assert (line["collected"], line["relevant"], line["mailed"]) == (1, 1, 1)
    shown = typed("digest", "show").out
    assert "Harbor Foods to acquire Oakhurst" in shown
    assert "ann@acme.example" in shown
    listed = typed("digest", "list", "--json").json
    assert [mail["state"] for mail in listed] == ["sent"]
    typed("digest", "show", "--html", "mail.html", "--message-id", listed[0]["message_id"])
    assert "<!DOCTYPE html>" in (tmp_path / "mail.html").read_text()
    reference = shown.split("Ref ")[1][:9]
    saved = typed("trace", reference, "--save", "raw.xml", "--json").json
    assert [step["what"] for step in saved["steps"]] == [
        "line",
        "mail",
        "relevance",
        "event",
        "item",
        "response",
    ]
    assert b"Harbor Foods to acquire" in (tmp_path / "raw.xml").read_bytes()
    assert (
        "The bytes are those that were stored"
        in typed("trace", reference.lower().replace("-", "")).out
    )
    why = typed("explain", reference, "--user", "ann@acme.example", "--json").json
    assert why["told"] is True
    assert "told: " in typed("explain", reference, "--user", "me").out
    hits = typed("search", "acquisitions of Oakhurst", "--client", "harbor foods", "--json").json
    assert hits["mode"] == "lexical"
    assert hits["hits"][0]["owner_id"] == "harbor-foods"
    assert "Oakhurst" in typed("search", "oakhurst").out
    assert "Nothing of that is remembered" in typed("search", "zebra").out


def test_a_run_that_is_done_in_part_says_so_with_its_status(
    typed: Typed, own_tenant: FeedServer
) -> None:
    typed("client", "add", "Vela Logistics", "--feed", own_tenant.url("/none.xml"))
    summary = typed("run", "--json", status=3).json
    assert summary["outcome"] == "degraded"
    assert [p["stage"] for p in summary["problems"]] == ["raw/search_results"]
    assert "404" in summary["problems"][0]["error"]
    said = typed("run", status=3)
    assert "degraded:" in said.err
    assert "core/events" in said.err
    status = typed("status", "--json").json
    assert [f["client_id"] for f in status["tenants"][0]["failing"]] == ["vela-logistics"]
    assert any("give no answer" in x for x in status["needs_attention"])
    assert "give no answer" in typed("status").out
    typed("status", "--check", status=1)


def test_one_client_narrows_what_is_fetched(typed: Typed, own_tenant: FeedServer) -> None:
    other = own_tenant.put(
        "/o.xml", Answer(rss("Wire", [Entry("Vela Logistics grows", "Text", None, "x")]))
    )
    typed("client", "add", "Vela Logistics", "--feed", other)
    typed("run", "--client", "Vela Logistics")
    assert {asked.path for asked in own_tenant.asked()} == {"/o.xml"}
    said = typed("run", "--client", "Velo", status=1).err
    assert "There is no client 'Velo'" in said
    assert "vela-logistics" in said


def test_wrong_usage_is_told_apart_from_failure(typed: Typed, own_tenant: FeedServer) -> None:
    typed("run", "--day", "tomorrow", status=2)
    typed("run", "--day", "2999-01-01", status=2)
    typed("run", "--day", "today", "--from", "today", status=2)
    typed("run", "--to", "today", status=2)
    typed("run", "--from", "today", "--to", "yesterday", status=2)
    typed("quarantine", "replay", status=2)
    typed("nonsense", status=2)
    assert "There is no tenant 'x'" in typed("run", "--tenant", "x", status=1).err
    assert "neither a reference nor an id" in typed("trace", "x", status=1).err


def test_without_a_tenant_commands_say_how_to_begin(typed: Typed) -> None:
    assert "clientlore init" in typed("run", status=1).err
    assert "clientlore init" in typed("search", "x", status=1).err
    assert "none yet" in typed("doctor").out


def test_schedules_are_changed_as_data(typed: Typed, own_tenant: FeedServer) -> None:
    listed = typed("schedule", "list", "--json").json
    assert {s["name"] for s in listed} == {"digest:me", "every hour"}
    typed("schedule", "deactivate", "digest:me", "every hour")
    assert [s["is_active"] for s in typed("schedule", "list", "--json").json] == [False, False]
    typed("apply", "tenant.yaml")
    assert [s["is_active"] for s in typed("schedule", "list", "--json").json] == [False, False]
    typed("schedule", "activate", "digest:me")
    assert (
        "There is no schedule 'nope'"
        in typed("schedule", "activate", "every hour", "nope", status=1).err
    )
    states = {s["name"]: s["is_active"] for s in typed("schedule", "list", "--json").json}
    assert states == {"digest:me": True, "every hour": False}
    before = {s["name"]: s["next_run_at"] for s in typed("schedule", "list", "--json").json}
    assert "is due" in typed("schedule", "trigger", "digest:me").out
    assert {s["name"]: s["next_run_at"] for s in typed("schedule", "list", "--json").json} == before
    assert "digest:me" in typed("schedule", "list").out
    typed("schedule", "delete", "every hour", "digest:me")
    assert typed("schedule", "list", "--json").json == []
    typed("apply", "tenant.yaml")
    assert len(typed("schedule", "list", "--json").json) == 2


def test_what_was_set_aside_is_listed_and_replayed(typed: Typed, own_tenant: FeedServer) -> None:
    page = own_tenant.put("/page.html", Answer(b"<html><body>no feed</body></html>"))
    typed("client", "add", "Vela Logistics", "--feed", page)
    typed("run", status=3)
    listed = typed("quarantine", "list", "--json").json
    assert listed["total_count"] == 1
    assert listed["has_more"] is False
    assert listed["rows"][0]["reason"] == "html"
    assert "web page" in typed("quarantine", "list").out
    replayed = typed("quarantine", "replay", "--all", "--json").json
    assert replayed["still_open"] == [listed["rows"][0]["quarantine_id"]]
    assert replayed["rows"] == 0
    assert "Nothing open is set aside" in typed("quarantine", "replay", "x", status=1).err


def test_the_memory_index_is_rebuilt_by_one_command(
    typed: Typed, own_tenant: FeedServer, tmp_path: Path
) -> None:
    typed("run")
    before = typed("search", "oakhurst", "--json").json["hits"]
    for path in (tmp_path / "home" / "vectors" / "acme").rglob("*"):
        if path.is_file():
            path.unlink()
    rebuilt = typed("memory", "rebuild", "--json").json
    assert rebuilt == [{"tenant": "acme", "memories": 1, "operations": 1}]
    assert typed("search", "oakhurst", "--json").json["hits"] == before
    assert "acme" in typed("memory", "rebuild").out


def test_doctor_finds_what_cannot_work_and_says_what_to_do(
    typed: Typed, own_tenant: FeedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = {(f["subject"], f["verdict"]) for f in typed("doctor", "--json").json}
    assert ("control plane", "ok") in found
    assert ("vectors", "ok") in found
    assert ("Dagster", "note") in found
    assert ("mail of acme", "ok") in found
    text = (tmp_path / "tenant.yaml").read_text()
    (tmp_path / "tenant.yaml").write_text(
        text.replace("# allow_live_send: false", "allow_live_send: true")
    )
    typed("apply", "tenant.yaml")
    said = typed("doctor", status=1).out
    assert "no sender is configured" in said
    assert "SMTP_FROM_EMAIL" in said
    monkeypatch.setenv("SMTP_PORT", "many")
    assert "SMTP_PORT" in typed("doctor", status=1).err


def test_doctor_finds_a_file_that_was_changed_and_a_run_mends_it(
    typed: Typed, own_tenant: FeedServer, tmp_path: Path
) -> None:
    typed("run")
    assert ("files of acme", "ok") in {
        (f["subject"], f["verdict"]) for f in typed("doctor", "--json").json
    }
    for name in ("event_members", "relevance"):
        (file,) = (tmp_path / "home" / "lake" / "core" / name).rglob("*.parquet")
        file.write_bytes(file.read_bytes() + b"x")
        assert "not what was written" in typed("doctor", status=1).out
        typed("run", "--no-collect")
        typed("doctor")


def test_clients_come_from_a_csv_and_bad_rows_are_named(
    typed: Typed, own_tenant: FeedServer, tmp_path: Path
) -> None:
    (tmp_path / "c.csv").write_bytes(
        "\ufeffName;Website;Feed\nUmbra Power;https://www.umbra.example/;\nUmbra Power;;\n;x.example;\nBad;;ftp://x\n".encode()
    )
    said = typed("client", "import", "c.csv", status=3)
    assert "Watching 1 clients" in said.out
    assert said.err.count("left out: line") == 3
    imported = typed("client", "import", "c.csv", "--json", status=3).json
    assert imported["added"] == ["umbra-power"]
    listed = {c["client_id"]: c for c in typed("client", "list", "--json").json}
    assert listed["umbra-power"]["domain"] == "umbra.example"
    assert listed["umbra-power"]["owners"] == ["me"]
    assert "umbra-power" in typed("client", "list").out
    (tmp_path / "d.csv").write_text("website\nx.example\n")
    assert "lacks the column name" in typed("client", "import", "d.csv", status=1).err


def test_the_database_is_brought_up_and_taken_back(typed: Typed) -> None:
    assert f"version {migrate.HEAD}" in typed("db", "upgrade").out
    assert "version none" in typed("db", "downgrade", "base", "--yes").out
    assert f"version {migrate.HEAD}" in typed("db", "upgrade").out


def test_a_held_tenant_is_released_by_hand(typed: Typed, own_tenant: FeedServer) -> None:
    assert "was not held" in typed("tenant", "release", "acme").out
    assert "There is no tenant 'x'" in typed("tenant", "release", "x", status=1).err
    assert "active" in typed("tenant", "list").out


def test_the_outbox_is_listed_and_only_uncertain_mail_is_decided(
    typed: Typed, own_tenant: FeedServer
) -> None:
    typed("run", "--deliver")
    (row,) = typed("outbox", "list", "--json").json
    assert row["state"] == "sent"
    assert "folder" in typed("outbox", "list", "--state", "sent", "--tenant", "acme").out
    for verb in ("resend", "delivered"):
        assert "no uncertain message" in typed("outbox", verb, row["outbox_id"], status=1).err


@pytest.mark.parametrize("command", [[], *([name] for name in cli._COMMANDS)])
def test_every_command_explains_itself(command: list[str]) -> None:
    done = CliRunner().invoke(cli.clientlore, [*command, "--help"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 3
