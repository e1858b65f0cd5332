"""What the environment may say, which word wins, and that its secrets stay its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clientlore.clock import FrozenClock
from clientlore.control.engine import ControlPlane
from clientlore.errors import (
    AuthenticationError,
    BadDataError,
    ClientloreError,
    ConfigurationError,
    PermanentError,
    QuotaExhaustedError,
    RetriableError,
    StoreError,
)
from clientlore.settings import (
    VARIABLES,
    CrmSettings,
    EmbeddingSettings,
    LlmSettings,
    RerankSettings,
    SearchSettings,
    Settings,
    SmtpSettings,
    find_app,
    load_settings,
)
from clientlore.taxonomy import CATEGORIES, CATEGORY_NAMES
from clientlore.testing.workspaces import open_workspace


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder that looks like the application."""
    folder = tmp_path / "app"
    (folder / "deep" / "down").mkdir(parents=True)
    (folder / "workspace.yaml").write_text("load_from: []\n")
    return folder


def test_with_an_empty_environment_everything_lies_in_the_home(tmp_path: Path) -> None:
    settings = load_settings({}, start=tmp_path)
    home = tmp_path / ".clientlore"
    assert settings.home == home
    assert settings.control_url == f"sqlite:///{home / 'control.db'}"
    assert (settings.lake, settings.vectors, settings.blobs, settings.mail) == (
        home / "lake",
        home / "vectors",
        home / "blobs",
        home / "mail",
    )
    assert settings.log_level == "INFO"
    assert not settings.smtp.configured


def test_the_home_lies_in_the_application_folder_wherever_one_stands_below_it(app: Path) -> None:
    assert find_app(app / "deep" / "down", {}) == app
    assert load_settings({}, start=app / "deep" / "down").home == app / ".clientlore"


def test_an_application_that_is_named_and_not_there_is_an_error(app: Path, tmp_path: Path) -> None:
    assert find_app(tmp_path, {"CLIENTLORE_APP": str(app)}) == app
    with pytest.raises(
        ConfigurationError, match=r"CLIENTLORE_APP names .*deep, where no workspace"
    ):
        find_app(tmp_path, {"CLIENTLORE_APP": str(app / "deep")})


def test_a_variable_of_the_process_wins_over_the_env_file(app: Path) -> None:
    (app / ".env").write_text("LOG_LEVEL=debug\nSMTP_HOST=mail.file.example\nSMTP_PORT=\n")
    settings = load_settings({"SMTP_HOST": "mail.process.example"}, start=app)
    assert settings.smtp.host == "mail.process.example"
    assert settings.log_level == "DEBUG"
    assert settings.smtp.port == 587


def test_a_home_that_is_passed_wins_over_the_environment(tmp_path: Path) -> None:
    env = {"CLIENTLORE_HOME": str(tmp_path / "one")}
    assert load_settings(env, start=tmp_path).home == tmp_path / "one"
    assert load_settings(env, start=tmp_path, home=tmp_path / "two").home == tmp_path / "two"


def test_every_store_can_be_put_elsewhere(tmp_path: Path) -> None:
    settings = load_settings(
        {
            "DATABASE_URL": "postgresql://me@db.example/clientlore",
            "CLIENTLORE_LAKE": "/data/lake",
            "CLIENTLORE_VECTORS": "file:///data/vectors",
            "FILE_STORAGE_PATH": "~/blobs",
            "CLIENTLORE_MAIL": "mail",
        },
        start=tmp_path,
    )
    assert settings.control_url == "postgresql://me@db.example/clientlore"
    assert settings.lake == Path("/data/lake")
    assert settings.vectors == Path("/data/vectors")
    assert settings.blobs == Path.home() / "blobs"
    assert settings.mail == Path.cwd() / "mail"


def test_a_store_that_is_not_supported_yet_is_refused_by_the_name_of_its_variable(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigurationError, match=r"CLIENTLORE_LAKE: .*stores on 's3' are not"):
        load_settings({"CLIENTLORE_LAKE": "s3://bucket/lake"}, start=tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_PORT", "70000"),
        ("SMTP_PORT", "mail"),
        ("SMTP_SECURITY", "perhaps"),
        ("LOG_LEVEL", "loud"),
        ("CLIENTLORE_HTTP_ATTEMPTS", "0"),
        ("CLIENTLORE_HTTP_TIMEOUT", "-1"),
        ("CLIENTLORE_LOCK_TIMEOUT", "-1"),
    ],
)
def test_a_value_that_cannot_be_names_its_variable(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({name: value}, start=tmp_path)
    assert str(caught.value).startswith(f"{name}: ")
    assert "See .env.example" in str(caught.value)


def test_every_variable_leads_to_a_setting() -> None:
    groups = {
        "smtp": SmtpSettings,
        "search": SearchSettings,
        "llm": LlmSettings,
        "embedding": EmbeddingSettings,
        "rerank": RerankSettings,
        "crm": CrmSettings,
    }
    for path in VARIABLES.values():
        fields = Settings.model_fields if len(path) == 1 else groups[path[0]].model_fields
        assert path[-1] in fields


def test_the_older_mail_names_are_aliases(tmp_path: Path) -> None:
    env = {"SMTP_USER": "watch", "SMTP_PASS": "hush-hush", "MAIL_FROM": "watch@acme.example"}
    smtp = load_settings(env, start=tmp_path).smtp
    assert smtp.username == "watch"
    assert smtp.password is not None
    assert smtp.password.get_secret_value() == "hush-hush"
    assert smtp.from_email == "watch@acme.example"
    assert smtp.configured


def test_an_alias_that_says_something_else_is_an_error_without_the_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SMTP_PASSWORD and its older name") as caught:
        load_settings({"SMTP_PASSWORD": "hush-hush", "SMTP_PASS": "other-secret"}, start=tmp_path)
    assert "hush-hush" not in str(caught.value)
    assert "other-secret" not in str(caught.value)
    same = load_settings({"SMTP_USER": "watch", "SMTP_USERNAME": "watch"}, start=tmp_path)
    assert same.smtp.username == "watch"


def test_the_process_wins_over_the_env_file_whichever_name_each_uses(tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").touch()
    (tmp_path / ".env").write_text("SMTP_USER=file\nSMTP_PASSWORD=of-file\nMAIL_FROM=a@b.example\n")
    smtp = load_settings({"SMTP_USERNAME": "process", "SMTP_PASS": "ours"}, start=tmp_path).smtp
    assert (smtp.username, smtp.from_email) == ("process", "a@b.example")
    assert smtp.password is not None
    assert smtp.password.get_secret_value() == "ours"


def test_what_the_env_file_names_beside_settings_can_be_referred_to_by_feeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workspace.yaml").touch()
    (tmp_path / ".env").write_text("FEED_KEY=of-file\nOTHER_KEY=of-file\nSMTP_HOST=of-file\n")
    monkeypatch.setenv("FEED_KEY", "taken away at the end")
    monkeypatch.delenv("FEED_KEY")
    monkeypatch.setenv("OTHER_KEY", "of-process")
    settings = load_settings(start=tmp_path)
    assert (os.environ["FEED_KEY"], os.environ["OTHER_KEY"]) == ("of-file", "of-process")
    assert settings.smtp.host == "of-file"
    assert "SMTP_HOST" not in os.environ


def test_settings_that_are_printed_show_no_secret(tmp_path: Path) -> None:
    settings = load_settings(
        {
            "DATABASE_URL": "postgresql://me:hush-hush@db.example/clientlore",
            "OPENAI_API_KEY": "hush-hush",
            "SMTP_PASSWORD": "hush-hush",
        },
        start=tmp_path,
    )
    assert "hush-hush" not in f"{settings!r} {settings}"


@pytest.mark.parametrize("url", ["no address", "mysql://me:hush-hush@db.example/x", "://"])
def test_a_database_that_cannot_hold_the_control_plane_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ControlPlane.connect(url)
    assert "PostgreSQL" in str(caught.value) or "postgresql://" in str(caught.value)
    assert "hush-hush" not in str(caught.value)


def test_a_home_that_is_a_file_is_a_store_error_with_advice(
    tmp_path: Path, clock: FrozenClock
) -> None:
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(StoreError, match="Point CLIENTLORE_HOME at a folder"):
        open_workspace(tmp_path / "home", clock)


def test_a_control_plane_that_is_no_database_is_a_store_error(
    tmp_path: Path, clock: FrozenClock
) -> None:
    (tmp_path / "control.db").write_bytes(b"this is no database " * 100)
    with pytest.raises(StoreError, match="not a database"):
        open_workspace(tmp_path, clock)


def test_an_error_says_what_happened_and_what_to_do_next() -> None:
    assert str(ClientloreError("The lake is gone.")) == "The lake is gone."
    assert str(ClientloreError("The lake is gone", "Restore it.")) == (
        "The lake is gone. Restore it."
    )


def test_a_provider_fault_has_a_kind_and_keeps_the_detail_short() -> None:
    faults = [
        RetriableError("x", retry_after=3.0),
        QuotaExhaustedError("x"),
        AuthenticationError("x"),
        PermanentError("x"),
        BadDataError("x", detail="y" * 600),
    ]
    assert [fault.kind for fault in faults] == [
        "retriable",
        "quota",
        "authentication",
        "permanent",
        "bad_data",
    ]
    assert isinstance(faults[0], RetriableError)
    assert faults[0].retry_after == 3.0
    assert len(faults[-1].detail) == 500


def test_the_categories_are_the_eleven_of_the_taxonomy_each_with_a_meaning() -> None:
    assert tuple(CATEGORIES) == CATEGORY_NAMES
    assert len(CATEGORY_NAMES) == 11
    assert CATEGORY_NAMES[-1] == "other"
    assert all(CATEGORIES.values())
