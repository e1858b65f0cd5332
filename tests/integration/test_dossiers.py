"""Dossiers: what is in one, for whom, and what becomes of the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clientlore.control import clients as client_rows
from clientlore.control import tables as t
from clientlore.control.model import Tenant
from clientlore.control.tenants import get_tenant
from clientlore.errors import NotFoundError, StoreError
from clientlore.ids import stable_id
from clientlore.memory import log
from clientlore.memory.dossier_files import (
    SET_ASIDE,
    file_name,
    headline,
    is_untouched,
    path_of,
    render,
    write_dossiers,
)
from clientlore.memory.dossiers import MOST, Dossier, find_dossier, read_dossiers
from clientlore.memory.log import Operation
from clientlore.monitoring.events import MEMBERS
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
EVENT = "e" * 32
TENANT = """
    tenant: {tenant}
    name: Acme Advisors
    mode: {mode}
    users:
      - {{id: ann, name: Ann Okafor, email: ann@acme.example}}
    clients:
      - name: Harbor Foods, Inc.
        industry: food
        domain: harborfoods.example
        ticker: HBRF
        aliases: [Harbour]
        owners: [ann]
        contacts: [{{name: Yuki Dubois, role: Buyer, email: yuki@harborfoods.example}}]
      - {{name: Vela Logistics SE}}
"""


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    return workspace.settings.dossiers / "acme"


def put(
    workspace: Workspace, tenant: str = "acme", mode: str = "live", *, clients: bool = True
) -> Tenant:
    """Applies the tenant file, with its clients or without."""
    text = TENANT.format(tenant=tenant, mode=mode)
    without = text[: text.index("clients:")] + "clients: []\n"
    put_tenant(workspace, text if clients else without)
    with workspace.control.read() as connection:
        return get_tenant(connection, tenant)


def remember(workspace: Workspace, text: str, tenant: str = "acme", **values: Any) -> str:
    """Appends an operation; returns the memory's id."""
    memory_id = values.pop("memory_id", stable_id(text))
    made = Operation(
        tenant_id=tenant,
        owner_id="harbor-foods-inc",
        memory_id=memory_id,
        op="add",
        kind="event",
        text=text,
        recorded_at=T0,
        actor="asset:core/memory_log",
        reason="a relevant event",
        origin=f"event:{memory_id}",
        valid_from=T0,
        attributes={
            "event_id": EVENT,
            "category": "m_and_a",
            "importance": 0.9,
            "confidence": 0.75,
            "url": "https://news.example/a?b=1",
            "publisher": "The [Ledger]",
            "source_mode": "live",
        },
        sources=(f"event:{EVENT}",),
    )
    with workspace.control.write() as connection:
        assert log.append(connection, [replace(made, **values)], T0) == 1
    return memory_id


def dossiers(workspace: Workspace, tenant: Tenant) -> list[Dossier]:
    return read_dossiers(workspace, tenant)


def names(found: Sequence[Dossier]) -> list[tuple[str, str]]:
    return [(d.kind, d.name) for d in found]


def test_there_is_one_for_each_active_client_and_each_contact(workspace: Workspace) -> None:
    found = dossiers(workspace, put(workspace))
    assert names(found) == [
        ("client", "Harbor Foods, Inc."),
        ("client", "Vela Logistics SE"),
        ("contact", "Yuki Dubois"),
    ]


def test_it_says_who_they_are_what_happened_since_when_it_is_known_and_from_where(
    workspace: Workspace,
) -> None:
    tenant = put(workspace)
    remember(workspace, "Harbor Foods buys Pinecrest for $63 million")
    text = render(dossiers(workspace, tenant)[0])
    for said in (
        "# Harbor Foods, Inc.",
        "- **Industry:** food",
        "- **Web site:** `harborfoods.example`",
        "- **Also known as:** Harbour",
        "- **Looked after by:** Ann Okafor",
        f"[Yuki Dubois](<../contacts/{file_name(dossiers(workspace, tenant)[2].entity_id)}>), Buyer",
        "### 20 November 2026",
        "- **M&A.** Harbor Foods buys Pinecrest for $63 million",
        f"[The \\[Ledger\\]](<https://news.example/a?b=1>); event `{EVENT}`",
        "| from 2026-11-20 09:00 UTC | since 2026-11-20 09:00 UTC | 0.75 |",
        "`clientlore trace EVENT --tenant acme`",
    ):
        assert said in text, said
    assert "Sample data" not in text


def test_what_was_made_up_says_so_and_never_enters_a_dossier_of_a_live_tenant(
    workspace: Workspace,
) -> None:
    live, mock = put(workspace), put(workspace, "mocked", "mock")
    for tenant in (live, mock):
        remember(
            workspace,
            "It never happened",
            tenant.tenant_id,
            attributes={"source_mode": "mock"},
            memory_id=stable_id(tenant.tenant_id),
        )
    assert "never happened" not in "".join(map(render, dossiers(workspace, live)))
    text = render(dossiers(workspace, mock)[0])
    assert "It never happened" in text
    assert "**Sample data.** Everything here was made up" in text


def test_copies_and_the_reason_come_from_the_events(workspace: Workspace) -> None:
    tenant = put(workspace)
    remember(workspace, "Harbor Foods buys Pinecrest")
    day = T0.date()
    members = [
        {
            "tenant_id": "acme",
            "day": day,
            "item_id": f"{n}" * 32,
            "event_id": EVENT,
            "status": "PROCESSED" if n < 3 else "SKIPPED",
            "publisher": f"P{n}",
            "collected_at": T0,
        }
        for n in range(4)
    ]
    workspace.lake.write(MEMBERS, "acme", day, MEMBERS.frame(members))
    judged = [
        {
            "tenant_id": "acme",
            "day": day,
            "event_id": event,
            "client_id": c,
            "rationale": f"why {c}",
        }
        for event, c in (
            (EVENT, "harbor-foods-inc"),
            (EVENT, "vela-logistics-se"),
            ("f" * 32, "harbor-foods-inc"),
        )
    ]
    workspace.lake.write(RELEVANCE, "acme", day, RELEVANCE.frame(judged))
    harbor, vela, _ = dossiers(workspace, tenant)
    assert (harbor.known[0].copies, harbor.known[0].publishers) == (3, 3)
    assert harbor.known[0].why == "why harbor-foods-inc"
    assert (harbor.not_remembered, vela.not_remembered) == (1, 1)
    assert "also in 2 other sources" in render(harbor)
    assert "1 more item came up for this client and was not worth remembering" in render(harbor)


def test_memory_decides_what_was_taken_back_is_gone_and_what_a_person_said_says_so(
    workspace: Workspace,
) -> None:
    tenant = put(workspace)
    wrong = remember(workspace, "Harbor Foods is bankrupt")
    right = remember(workspace, "Harbor Foods moves to Cork")
    later = T0 + timedelta(hours=1)
    by_hand = {"actor": "cli:ann", "recorded_at": later, "generation": 1}
    remember(workspace, "x", memory_id=wrong, op="retract", kind=None, **by_hand)
    remember(workspace, "Harbor Foods moves to Leeds", memory_id=right, op="revise", **by_hand)
    text = render(dossiers(workspace, tenant)[0])
    assert "bankrupt" not in text
    assert "Cork" not in text
    assert "Harbor Foods moves to Leeds" in text
    assert "since 2026-11-20 09:00 UTC, revised 2026-11-20 10:00 UTC | said by a person" in text
    assert "1 thing that was remembered once is not held any more" in text


def test_what_ended_says_until_when_it_was_true(workspace: Workspace) -> None:
    tenant = put(workspace)
    memory = remember(workspace, "Yuki Dubois is buyer")
    ended = T0 + timedelta(days=3)
    remember(
        workspace, "x", memory_id=memory, op="supersede", kind=None, valid_to=ended, generation=1
    )
    assert "from 2026-11-20 09:00 UTC to 2026-11-23 09:00 UTC" in render(
        dossiers(workspace, tenant)[0]
    )


def test_a_contact_has_what_is_about_them_and_what_names_them_at_their_client_only(
    workspace: Workspace,
) -> None:
    tenant = put(workspace)
    contact = dossiers(workspace, tenant)[2]
    remember(workspace, "Call with YUKI DUBOIS about prices")
    remember(workspace, "Yuki Duboisson joins")
    remember(workspace, "Likes tea", owner_id=contact.entity_id)
    remember(workspace, "Yuki Dubois seen at Vela", owner_id="vela-logistics-se")
    found = dossiers(workspace, tenant)[2]
    assert {k.text for k in found.known} == {"Call with YUKI DUBOIS about prices", "Likes tea"}
    assert "- **Works for:** [Harbor Foods, Inc.](<../clients/harbor-foods-inc.md>)" in render(
        found
    )


def test_the_newest_are_told_and_the_older_are_counted(workspace: Workspace) -> None:
    tenant = put(workspace)
    for n in range(MOST + 2):
        remember(workspace, f"Thing {n}", valid_from=T0 - timedelta(hours=n))
    found = dossiers(workspace, tenant)[0]
    assert (len(found.known), found.older) == (MOST, 2)
    assert found.known[0].text == "Thing 0"
    assert "2 older things are left out here" in render(found)
    assert f"{MOST + 2} things are known" in render(found)


def test_the_words_of_a_stranger_stay_words(workspace: Workspace) -> None:
    tenant = put(workspace)
    remember(workspace, "# Pay [here](https://evil.example) <script>x</script>\n## now | or")
    text = render(dossiers(workspace, tenant)[0])
    assert (
        "\\# Pay \\[here\\](https\\://evil\\.example) \\<script\\>x\\</script\\> \\#\\# now \\| or"
        in text
    )
    assert "<script>" not in text


def test_the_same_state_is_the_same_bytes_whenever_it_is_asked(
    workspace: Workspace, folder: Path, clock: Any
) -> None:
    tenant = put(workspace)
    remember(workspace, "Harbor Foods buys Pinecrest")
    first = write_dossiers(folder, dossiers(workspace, tenant))
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*.md")}
    clock.advance(timedelta(days=40))
    second = write_dossiers(folder, dossiers(workspace, tenant))
    assert (first.changed, second.changed, second.unchanged) == (3, 0, 3)
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*.md")} == before
    assert all(is_untouched(data) for data, _ in before.values())


def test_only_what_changed_is_written(workspace: Workspace, folder: Path) -> None:
    tenant = put(workspace)
    write_dossiers(folder, dossiers(workspace, tenant))
    remember(workspace, "Harbor Foods buys Pinecrest")
    done = write_dossiers(folder, dossiers(workspace, tenant))
    assert (done.changed, done.unchanged, done.set_aside) == (1, 2, {})


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text + "\nmy note\n",
        lambda text: text.replace("food", "fish"),
        lambda text: text.replace("data: live", "data: mock"),
        lambda text: "no head at all\n",
        lambda text: text.replace("checksum: ", "checksum: 0"),
        lambda text: "",
        lambda text: "\ufeff" + text,
    ],
)
def test_an_edit_by_hand_is_put_aside_and_the_file_made_anew(
    workspace: Workspace, folder: Path, edit: Any
) -> None:
    found = dossiers(workspace, put(workspace))
    write_dossiers(folder, found)
    path = path_of(folder, found[0])
    edited = edit(path.read_text()).encode()
    path.write_bytes(edited)
    for _ in range(2):
        done = write_dossiers(folder, found)
        assert path.read_text() == render(found[0])
    assert done.set_aside == {}
    (aside,) = (folder / SET_ASIDE).iterdir()
    assert aside.read_bytes() == edited
    assert aside.name.startswith("clients-harbor-foods-inc-")
    path.write_bytes(edited)
    assert write_dossiers(folder, found).set_aside == {"clients/harbor-foods-inc.md": aside}
    assert list((folder / SET_ASIDE).iterdir()) == [aside]


def test_a_file_goes_with_its_client_and_an_edited_one_is_kept_aside(
    workspace: Workspace, folder: Path
) -> None:
    found = dossiers(workspace, put(workspace))
    write_dossiers(folder, found)
    left = dossiers(workspace, put(workspace, clients=False))
    assert left == []
    (folder / "clients" / "vela-logistics-se.md").write_text("mine")
    (folder / "clients" / "notes.md").write_text("mine too")
    done = write_dossiers(folder, left)
    assert (done.removed, len(done.set_aside)) == (2, 2)
    assert [p for name in ("clients", "contacts") for p in (folder / name).iterdir()] == []
    assert {p.read_text() for p in (folder / SET_ASIDE).iterdir()} == {"mine", "mine too"}


def test_a_contact_goes_with_the_client_it_belongs_to(workspace: Workspace, folder: Path) -> None:
    tenant = put(workspace)
    with workspace.control.write() as connection:
        connection.execute(
            sa.update(t.clients)
            .where(t.clients.c.client_id == "harbor-foods-inc")
            .values(is_active=False)
        )
    assert names(dossiers(workspace, tenant)) == [("client", "Vela Logistics SE")]


def test_nothing_of_a_tenant_is_in_the_dossiers_of_another(workspace: Workspace) -> None:
    acme, other = put(workspace), put(workspace, "other")
    remember(workspace, "secret of acme")
    remember(workspace, "secret of other", "other", memory_id="m" * 32)
    for tenant, mine, foreign in ((acme, "acme", "other"), (other, "other", "acme")):
        folder = workspace.settings.dossiers / tenant.tenant_id
        write_dossiers(folder, dossiers(workspace, tenant))
        told = "".join(path.read_text() for path in folder.rglob("*.md"))
        assert f"secret of {mine}" in told
        assert f"secret of {foreign}" not in told
        assert f"tenant: {foreign}" not in told
    # What is removed for one stays for the other.
    write_dossiers(workspace.settings.dossiers / "acme", [])
    assert len(list((workspace.settings.dossiers / "other").rglob("*.md"))) == 3


def test_an_id_that_is_no_file_name_does_not_leave_the_folder(
    workspace: Workspace, folder: Path
) -> None:
    tenant = put(workspace)
    with workspace.control.write() as connection:
        client_rows.put_client(
            connection,
            workspace.audit("test", "x"),
            client_rows.Client("acme", "../../evil", "Evil [Ltd]"),
        )
    write_dossiers(folder, dossiers(workspace, tenant))
    assert len(list((folder / "clients").glob("x-*.md"))) == 1
    assert not list(workspace.settings.home.rglob("evil*"))


def test_a_killed_writers_half_file_is_no_dossier(workspace: Workspace, folder: Path) -> None:
    found = dossiers(workspace, put(workspace))
    (folder / "clients").mkdir(parents=True)
    (folder / "clients" / ".partial-x.md").write_text("half")
    done = write_dossiers(folder, found)
    assert done.set_aside == {}
    assert (folder / "clients" / ".partial-x.md").read_text() == "half"


def test_a_folder_that_cannot_be_read_is_said_with_what_to_do(
    workspace: Workspace, folder: Path
) -> None:
    found = dossiers(workspace, put(workspace))
    path_of(folder, found[0]).mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be brought up to date"):
        write_dossiers(folder, found)


def test_one_is_found_by_id_or_name_and_a_wrong_name_lists_the_right_ones(
    workspace: Workspace,
) -> None:
    found = dossiers(workspace, put(workspace))
    assert find_dossier(found, "harbor-foods-inc") is found[0]
    assert find_dossier(found, "HARBOR FOODS, INC.") is found[0]
    assert find_dossier(found, "harbor-foods-inc", "yuki dubois") is found[2]
    with pytest.raises(NotFoundError, match="Known: harbor-foods-inc, vela-logistics-se"):
        find_dossier(found, "Habor")
    with pytest.raises(NotFoundError, match="Known: none"):
        find_dossier(found, "Vela Logistics SE", "Yuki Dubois")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "Harbor Foods, Inc. opens a plant in Leeds. It is large.",
            "Harbor Foods, Inc. opens a plant in Leeds",
        ),
        ("Short words", "Short words"),
        (
            "word " * 30,
            "word word word word word word word word word word word word word word word word word word …",
        ),
    ],
)
def test_a_headline_is_the_first_sentence_or_its_beginning(words: str, expected: str) -> None:
    assert headline(words) == expected
