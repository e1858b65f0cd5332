"""Personal data in what models are sent: contacts of the CRM and readers are taken out as people of a profile are."""

from __future__ import annotations

from pathlib import Path

from clientlore.testing.fakes.serving import Fake
from clientlore.testing.workspaces import put_tenant
from tests.integration.test_llm_scoring import Desk, desk, fake, story

__all__ = ["desk", "fake"]
TOLD = "Mara Okafor, Tom Hale and Ann Ostrowski of Kilnworks Ceramics met at the plant in Turin."


def tenant(desk: Desk, redact: str) -> None:
    put_tenant(
        desk.workspace,
        f"""
        tenant: desk
        name: Desk
        judge: {{provider: openai, redact: {redact}}}
        users: [{{id: ann, name: Ann Ostrowski, email: ann@desk.example, threshold: 0.0}}]
        crm: {{accounts: accounts.csv}}
        clients:
          - id: kiln
            name: Kilnworks Ceramics
            owners: [ann]
            contacts: [{{name: Tom Hale, email: tom@kiln.example}}]
            feeds: ['{desk.server.url("/feed")}']
        """,
        Path(desk.workspace.settings.home),
    )
    (desk.workspace.settings.home / "accounts.csv").write_text(
        "id,name,contact_name,contact_email\n1,Kilnworks Ceramics,Mara Okafor,mara@kiln.example\n"
    )
    desk.publish(story(1, title="Kilnworks Ceramics at Turin", text=TOLD))
    desk.run()


def test_contacts_and_readers_are_not_named_to_a_model(desk: Desk, fake: Fake) -> None:
    tenant(desk, "true")
    (asked,) = fake.asked("/openai")
    for name in ("Mara Okafor", "Tom Hale", "Ostrowski"):
        assert name.encode() not in asked.body
    assert b"[person 3]" in asked.body


def test_without_redaction_the_article_is_sent_as_it_is(desk: Desk, fake: Fake) -> None:
    tenant(desk, "false")
    (asked,) = fake.asked("/openai")
    assert b"Mara Okafor" in asked.body
