"""A tenant file that says what cannot be is refused, with the line and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.control.tenant_file import TenantFile, parse_tenant_file, read_tenant_file
from clientlore.errors import ConfigurationError
from clientlore.taxonomy import CATEGORY_NAMES

GOOD = """\
tenant: lighthouse
name: Lighthouse Advisory
users:
  - id: ana
    name: Ana Okafor
    email: ana@lighthouse.example
    zone: Europe/London
    threshold: 0.6
    categories: [funding, risk]
    digest: {frequency: weekly, at: "08:30", weekday: friday}
    quiet_hours: {from: 21:00, to: 07:30}
clients:
  - name: Harbor Foods, Inc.
    domain: HarborFoods.example
    owners: [ana]
    feeds:
      - https://feeds.harbor.example/news.xml
      - {url: "https://wire.example/h", on_failure: fail}
    contacts:
      - {name: Lena Moss, email: lena@harborfoods.example, role: buyer}
schedules:
  - name: morning
    type: daily
    at: 06:15
    zone: Asia/Tokyo
    clients: [harbor-foods-inc]
"""


def refusal(text: str) -> str:
    """What a text is refused with."""
    with pytest.raises(ConfigurationError) as caught:
        parse_tenant_file(text, "acme.yaml")
    return str(caught.value)


def with_user(line: str) -> str:
    """A tenant file whose user says this in line 5."""
    return f"tenant: acme\nname: Acme\nusers:\n  - name: Ana\n    {line}\n"


def test_a_good_file_says_what_it_says() -> None:
    made = parse_tenant_file(GOOD)
    (user,), (client,), (schedule,) = made.users, made.clients, made.schedules
    assert (made.tenant, made.mode, made.allow_live_send) == ("lighthouse", "live", False)
    assert (user.handle, user.zone, user.threshold) == ("ana", "Europe/London", 0.6)
    assert user.categories == ("funding", "risk")
    assert (user.digest.frequency, user.digest.at, user.digest.weekday) == (
        "weekly",
        "08:30",
        "friday",
    )
    assert user.quiet_hours is not None
    assert (user.quiet_hours.start, user.quiet_hours.end) == ("21:00", "07:30")
    assert (client.client_id, client.domain) == ("harbor-foods-inc", "harborfoods.example")
    assert [(f.url, f.on_failure) for f in client.feeds] == [
        ("https://feeds.harbor.example/news.xml", "skip"),
        ("https://wire.example/h", "fail"),
    ]
    assert (schedule.at, schedule.zone, schedule.clients) == (
        "06:15",
        "Asia/Tokyo",
        ("harbor-foods-inc",),
    )


def test_what_is_left_out_has_its_default() -> None:
    user = parse_tenant_file("tenant: acme\nname: Acme\nusers: [{name: Ana}]\n").users[0]
    assert (user.handle, user.zone, user.threshold, user.max_items) == ("ana", "UTC", 0.5, 20)
    assert (user.digest.frequency, user.digest.at) == ("daily", "07:00")
    assert (user.email, user.quiet_hours, user.categories) == (None, None, ())


def test_an_unknown_key_is_named_with_its_line_a_suggestion_and_what_is_allowed() -> None:
    said = refusal(with_user("treshold: 0.5"))
    assert said.startswith("acme.yaml line 5: unknown key 'treshold'; did you mean 'threshold'?")
    assert "Allowed here: active, categories, digest, email, id, max_items, name" in said
    assert "quiet_hours" in said
    nested = refusal(with_user("quiet_hours: {from: '21:00', until: '07:00'}"))
    assert "line 5: unknown key 'until'. Allowed here: from, to." in nested


def test_an_unknown_key_at_the_top_lists_the_keys_of_the_top() -> None:
    said = refusal("tenant: acme\nname: Acme\nclient: []\n")
    assert "acme.yaml line 3: unknown key 'client'; did you mean 'clients'?" in said
    assert "tenant, users." in said


def test_a_key_that_is_missing_is_named() -> None:
    assert "'name' is missing" in refusal("tenant: acme\n")
    assert "acme.yaml line 4: 'users.0.name' is missing" in refusal(
        "tenant: acme\nname: Acme\nusers:\n  - id: ana\n"
    )


def test_every_problem_of_a_file_is_told_at_once() -> None:
    said = refusal(with_user("threshold: 1.2\n    zone: Europe/Londn\n    tel: 7")).splitlines()
    assert [line.split(":")[0] for line in said] == [
        "acme.yaml line 6",
        "acme.yaml line 5",
        "acme.yaml line 7",
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("threshold: 1.2", "users.0.threshold: Input should be less than or equal to 1"),
        ("threshold: -0.1", "greater than or equal to 0 (given: -0.1)"),
        ("zone: Europe/Londn", "no such time zone; did you mean 'Europe/London'?"),
        ("zone: Zzzzzzzzz", "Use an IANA name such as Europe/London".lower()),
        ("email: ana at acme", "this is no mail address"),
        ("email: ana@acme", "this is no mail address"),
        ("email: 'ana@acme.example, bo@acme.example'", "this is no mail address"),
        ("phone: call me", "users.0.phone"),
        ("id: Ana", "an id has lower-case letters"),
        ("security_level: 5", "less than or equal to 4"),
        ("max_items: 0", "greater than or equal to 1"),
        ("digest: {frequency: hourly}", "'instant', 'daily' or 'weekly' (given: 'hourly')"),
        ("digest: {weekday: someday}", "users.0.digest.weekday"),
        ("digest: {at: noon}", 'a time of day is written as "07:30"'),
        ("digest: {at: '24:00'}", "between 00:00 and 23:59"),
        ("digest: {at: 30}", "between 00:00 and 23:59"),
        ("digest: {at: 7:75}", "a time of day"),
        ("name: yes", "given: True"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_line(line: str, told: str) -> None:
    said = refusal(with_user(line)) if not line.startswith("name") else ""
    if line.startswith("name"):
        said = refusal(f"tenant: acme\nname: Acme\nusers:\n  -\n    {line}\n")
    assert told.lower() in said.lower()
    assert said.startswith("acme.yaml line 5: ")


def test_a_category_outside_the_list_is_refused_with_the_list() -> None:
    said = refusal(with_user("categories: [funding, fundraising]"))
    assert "users.0.categories.1" in said
    assert all(name in said for name in CATEGORY_NAMES)


@pytest.mark.parametrize("threshold", [0.0, 1.0, 0, 1])
def test_the_ends_of_the_threshold_are_allowed(threshold: float) -> None:
    user = parse_tenant_file(with_user(f"threshold: {threshold}")).users[0]
    assert user.threshold == float(threshold)


@given(st.integers(0, 23), st.integers(0, 59), st.sampled_from(["{:02d}:{:02d}", "{}:{:02d}"]))
@settings(max_examples=60, deadline=None)
def test_a_time_means_the_same_with_quotes_and_without(hour: int, minute: int, form: str) -> None:
    # YAML 1.1 reads 21:00 as a number in base 60, and 07:30 as text.
    written = form.format(hour, minute)
    for text in (written, f'"{written}"'):
        user = parse_tenant_file(with_user(f"digest: {{at: {text}}}")).users[0]
        assert user.digest.at == f"{hour:02d}:{minute:02d}"


def test_a_key_that_stands_twice_is_named_with_both_lines() -> None:
    said = refusal("tenant: acme\nname: Acme\nusers: []\nname: Acme\n")
    assert said == "acme.yaml line 4: 'name' stands here and in line 2. Keep one of them."
    assert "line 6: 'zone' stands here and in line 5" in refusal(
        with_user("zone: UTC\n    zone: UTC")
    )


def test_an_owner_who_is_no_user_is_named_in_their_line_with_who_is_meant() -> None:
    said = refusal(
        GOOD.replace("owners: [ana]", "owners:\n      - ana\n      - anna").replace("Inc.", "Inc")
    )
    assert said.startswith("acme.yaml line 17: clients.0.owners.1: client 'harbor-foods-inc'")
    assert "names the owner 'anna', who is no user; did you mean 'ana'? Users: ana" in said


def test_a_schedule_for_a_client_that_is_not_in_the_file_is_named_in_its_line() -> None:
    said = refusal(GOOD.replace("clients: [harbor-foods-inc]", "clients: [harbor-foods]"))
    assert said.startswith("acme.yaml line 26: schedules.0.clients.0: schedule 'morning' names")
    assert "did you mean 'harbor-foods-inc'?" in said


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("users:\n  - name: Ana\n  - name: Bo\n    id: ana\n", "line 6: users.1.id: the user id"),
        (
            "users:\n  - {name: Ana, email: a@x.example}\n  - {name: Bo, email: A@x.example}\n",
            "line 5: users.1.email: the mail address 'a@x.example' is used twice",
        ),
        (
            "users:\n  - {name: Ana, phone: '+44 20 1'}\n  - {name: Bo, phone: '+44 20 1'}\n",
            "line 5: users.1.phone: the phone",
        ),
        (
            "clients:\n  - name: Acme\n  - name: ACME\n",
            "line 5: clients.1.id: the client id 'acme'",
        ),
        (
            "schedules:\n  - {name: a, type: manual}\n  - {name: a, type: manual}\n",
            "line 5: schedules.1.name: the schedule 'a' is used twice",
        ),
        (
            "feeds:\n  - https://x.example/f\n  - {url: 'https://x.example/f', on_failure: fail}\n",
            "line 5: feeds.1.url: the feed 'https://x.example/f' is used twice",
        ),
        (
            "clients:\n  - name: Acme\n    contacts:\n      - {name: Lena}\n      - {name: LENA}\n",
            "line 7: clients.0.contacts.1",
        ),
    ],
)
def test_what_must_differ_and_does_not_is_named_in_the_second_line(part: str, told: str) -> None:
    assert told in refusal(f"tenant: acme\nname: Acme\n{part}")


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("feeds: ['ftp://x.example/f']", "a feed is an http:// or https:// address"),
        ("feeds: ['https://x.example/a b']", "without spaces"),
        ("clients: [{name: A, domain: 'https://a.example'}]", "clients.0.domain"),
        ("clients: [{name: ''}]", "clients.0.name"),
        ("clients: [{name: A, contacts: [{name: L, phone: '123456789012345678901'}]}]", "phone"),
        ("schedules: [{name: 'digest:x', type: daily}]", "schedules.0.name"),
        ("schedules: [{name: x, type: yearly}]", "'monthly' or 'cron'"),
        ("schedules: [{name: x, type: daily, cron: 0 7 * * *}]", "only then"),
        ("schedules: [{name: x, type: cron}]", "'cron' is given with 'type: cron'"),
        ("schedules: [{name: x, type: cron, cron: 61 * * * *}]", "Bad minute"),
        ("schedules: [{name: x, type: cron, cron: '* * * * * *'}]", "Five fields"),
        ("schedules: [{name: x, type: monthly, day: 31}]", "schedules.0.day"),
        ("mail_horizon_days: 400", "less than or equal to 366"),
        ("tenant_: x", "did you mean 'tenant'?"),
    ],
)
def test_what_else_cannot_be_is_refused_in_its_line(part: str, told: str) -> None:
    said = refusal(f"tenant: acme\nname: Acme\n{part}\n")
    assert told in said
    assert said.startswith("acme.yaml line 3: ")


def test_a_mock_tenant_never_sends_and_a_live_one_never_makes_things_up() -> None:
    sends = refusal("tenant: acme\nname: Acme\nmode: mock\nallow_live_send: true\n")
    assert sends.startswith("acme.yaml line 4: ")
    assert "never leaves" in sends
    for part in (
        "feeds: [{url: 'https://x.example/f', on_failure: mock}]",
        "clients: [{name: A, feeds: [{url: 'https://x.example/f', on_failure: mock}]}]",
        "crm: {accounts: a.csv, on_failure: mock}",
    ):
        assert "is only for tenants with 'mode: mock'" in refusal(
            f"tenant: acme\nname: Acme\n{part}\n"
        )
        assert parse_tenant_file(f"tenant: acme\nname: Acme\nmode: mock\n{part}\n").mode == "mock"


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    said = refusal("tenant: acme\nname: Acme\nfeeds: ['https://me:hush-hush@x.example/f']\n")
    assert said.startswith("acme.yaml line 3: feeds.0.url: the address contains a password")
    assert "${NAME}" in said
    assert "hush-hush" not in said


def test_a_password_is_not_repeated_whatever_else_is_wrong_with_the_address() -> None:
    for url in ("ftp://me:hush-hush@x.example", "https://me:hush@hush@x.example/a b"):
        said = refusal(f"tenant: acme\nname: Acme\nfeeds: ['{url}']\n")
        assert "feeds.0.url" in said
        assert "hush" not in said


def test_a_password_from_the_environment_may_stand_in_an_address() -> None:
    url = "https://me:${ACME_FEED_PASSWORD}@x.example/f?key=${KEY}"
    made = parse_tenant_file(f"tenant: acme\nname: Acme\nfeeds: ['{url}']\n")
    assert made.feeds[0].url == url


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tenant: [a\nname: b\n", "line 2: this is no YAML"),
        ("\ttenant: a\n", "line 1: this is no YAML"),
        ("tenant: !secret a\nname: b\n", "line 1: this is no YAML"),
        ("tenant: a\nname: {{name}}\n", "line 2: a key is a plain word"),
        ("tenant: a\nname: 2026-13-01\n", "line 2: '2026-13-01' looks like a date"),
        ("tenant: a\nusers: &u\n  - *u\n", "contains itself"),
        ("tenant: a\x00\n", "this is no YAML"),
        ("- a\n- b\n", "a tenant file is a mapping"),
        ("just text\n", "a tenant file is a mapping"),
        ("tenant: a\n---\ntenant: b\n", "this is no YAML"),
        ("", "'tenant' is missing"),
        ("# nothing\n", "'tenant' is missing"),
    ],
)
def test_what_is_no_tenant_file_at_all_is_said_so(text: str, told: str) -> None:
    said = refusal(text)
    assert said.startswith("acme.yaml")
    assert told in said


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*TenantFile.model_fields, "id", "url"]), inner)
        ),
        max_leaves=8,
    )
)
@settings(max_examples=80, deadline=None)
def test_whatever_a_file_says_it_is_read_or_refused_with_a_clear_error(content: object) -> None:
    made: TenantFile | str
    try:
        made = parse_tenant_file(yaml.safe_dump(content), "acme.yaml")
    except ConfigurationError as error:
        made = str(error)
    assert isinstance(made, TenantFile) or made.startswith("acme.yaml")


def test_a_file_may_begin_with_a_byte_order_mark_and_end_its_lines_as_windows_does(
    tmp_path: Path,
) -> None:
    file = tmp_path / "acme.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert read_tenant_file(file) == parse_tenant_file(GOOD)


def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="`clientlore init` writes an example"):
        read_tenant_file(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_tenant_file(tmp_path)
    (tmp_path / "utf16.yaml").write_text(GOOD, encoding="utf-16")
    with pytest.raises(ConfigurationError, match=r"utf16\.yaml is not UTF-8 text"):
        read_tenant_file(tmp_path / "utf16.yaml")
