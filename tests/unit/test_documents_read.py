"""Documents are read by their types, cut without losing a word, and refused with a reason."""

from __future__ import annotations

import io
import sys
import zipfile
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.errors import BadDataError
from clientlore.memory.documents import chunking, mail
from clientlore.memory.documents.chunking import passages_of
from clientlore.memory.documents.extracting import extracted
from clientlore.memory.documents.model import (
    MOST_BYTES,
    MOST_CHARACTERS,
    TYPES,
    NewDocument,
    clean_name,
    type_of,
)

WORDS = st.text(alphabet="ab c.d!\n#é\t`-", max_size=6_000)


def new(content: bytes | str = "Some words", name: str = "a.txt", **more: object) -> NewDocument:
    return NewDocument("harbor", "a", name, content, **more)  # type: ignore[arg-type]


def text_of(content: bytes | str, name: str) -> str:
    return extracted(new(content, name).checked()).text


def docx(*paragraphs: tuple[str, str | None], raw: str = "") -> bytes:
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = raw + "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        if style
        else f"<w:p><w:r><w:t>{text[:3]}</w:t></w:r><w:r><w:t>{text[3:]}</w:t></w:r></w:p>"
        for text, style in paragraphs
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        xml = f'<w:document xmlns:w="{space}"><w:body>{body}</w:body></w:document>'
        made.writestr("word/document.xml", xml)
    return packed.getvalue()


def pdf(text: str) -> bytes:
    """A PDF of one page, by hand: pypdf itself writes none with text."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return data + (
        b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF"
        % (table, len(data))
    )


@settings(max_examples=60, deadline=None)
@given(WORDS, st.sampled_from(TYPES))
def test_passages_have_every_character_once_and_none_is_too_long(text: str, kind: str) -> None:
    found = passages_of(text, kind)
    said = "".join("".join(p.text.split()) for p in found)
    assert said == "".join(text.split())
    assert all(0 < len(p.text) <= chunking.PASSAGE_CHARACTERS for p in found)
    assert [p.number for p in found] == list(range(len(found)))
    # Sections are spans that follow each other.
    spans = list(dict.fromkeys(p.section for p in found))
    assert [n for first, last in spans for n in range(first, last + 1)] == list(range(len(found)))
    assert all(p.section[0] <= p.number <= p.section[1] for p in found)


def test_a_million_characters_without_a_space_are_cut_in_linear_time() -> None:
    found = passages_of("x" * MOST_CHARACTERS, "text")
    assert len(found) == -(-MOST_CHARACTERS // chunking.PASSAGE_CHARACTERS)


def test_a_heading_begins_a_section_except_in_a_fence() -> None:
    found = passages_of(
        "Intro\n\n# Terms\n\nNet 30\n\n```\n# no heading\n```\n\n## Law\n\nDutch", "markdown"
    )
    assert [(p.heading, p.section) for p in found] == [
        (None, (0, 0)),
        ("Terms", (1, 1)),
        ("Law", (2, 2)),
    ]


def test_code_is_cut_before_what_is_not_indented_and_chat_between_lines() -> None:
    body = "\n".join(f"    line {n} of some words" for n in range(30))
    found = passages_of(f"def a():\n{body}\n\n\ndef b():\n{body}\n", "code")
    assert [p.text[:8] for p in found] == ["def a():", "def b():"]
    talk = "\n".join(f"Ann: {'word ' * 60}" for _ in range(9))
    assert all(p.text.startswith("Ann:") for p in passages_of(talk, "chat"))


def test_a_page_is_read_without_scripts_and_with_its_headings() -> None:
    page = "<title>x</title><h2>Our plan</h2><p>Two  plants<br>next&nbsp;year</p><script>evil()</script>"
    assert text_of(page, "a.html") == "## Our plan\n\nTwo plants\n\nnext year"


def test_a_word_document_is_read_with_its_headings() -> None:
    assert text_of(docx(("Plan", "Heading2"), ("Two plants", None)), "a.docx") == (
        "## Plan\n\nTwo plants"
    )


def test_a_pdf_is_read() -> None:
    pytest.importorskip("pypdf")
    assert text_of(pdf("Harbor opens two plants"), "a.pdf") == "Harbor opens two plants"
    with pytest.raises(BadDataError, match="cannot be read as PDF"):
        text_of(b"%PDF-1.4 nothing", "a.pdf")


def test_without_a_reader_of_pdf_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    with pytest.raises(BadDataError, match=r"Install clientlore\[pdf\]"):
        text_of(pdf("Harbor"), "a.pdf")


def test_text_of_windows_and_utf16_is_read() -> None:
    assert text_of("Café".encode("cp1252"), "a.txt") == "Café"
    assert text_of("Café".encode("utf-16"), "a.txt") == "Café"
    assert text_of("\ufeffCafé".encode(), "a.md") == "Café"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (new(type="novel"), "unknown type 'novel'"),
        (new(""), "is empty"),
        (new("  \n"), "no text in it"),
        (new(b"\x00\x01\x02", "a.bin"), "is no text"),
        (new(b"no zip", "a.docx"), "cannot be read as Word"),
        (new(docx(raw="<!-- <!DOCTYPE x> -->"), "a.docx"), "declares entities"),
        (new(b"just words", "a.eml"), "neither sender"),
        (new("x" * (MOST_CHARACTERS + 1)), "Document too large: 'a' has 1,000,001 characters"),
        (new(b"x" * (MOST_BYTES + 1)), "Document too large: 'a' has 10,000,001 bytes"),
        (new(metadata={"a": "x" * 66_000}), "more than 64 kB"),
        (new(metadata={"a": float("nan")}), "no JSON"),
        (new(metadata={"a": object()}), "no JSON"),
        (new(date=datetime(2026, 1, 1)), "without a time zone"),  # noqa: DTZ001
        (new(security="private"), "unknown tier"),
        (NewDocument("har bor", "a", "a", "x"), "cannot be the owner"),
        (NewDocument("x" * 65, "a", "a", "x"), "cannot be the owner"),
        (NewDocument("harbor", "", "a", "x"), "no usable id"),
        (NewDocument("harbor", "a\x00", "a", "x"), "no usable id"),
    ],
)
def test_what_cannot_be_kept_is_told_with_what_to_do(document: NewDocument, said: str) -> None:
    with pytest.raises(BadDataError, match=r".+") as told:
        extracted(document.checked())
    assert said in str(told.value)
    assert told.value.next_step


def test_a_packed_file_that_unpacks_to_far_too_much_is_not_unpacked() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("word/document.xml", b" " * 60_000_000)
    with pytest.raises(BadDataError, match="too large"):
        text_of(packed.getvalue(), "bomb.docx")


def test_names_are_those_of_files_and_say_the_type() -> None:
    assert clean_name("../../etc/pass\x00wd") == "pass wd"
    assert clean_name("C:\\docs\\Plan: 2026?.md ") == "Plan 2026 .md"
    assert (type_of("x.MD"), type_of("x")) == ("markdown", "text")


def test_a_mail_keeps_its_head_and_leaves_quotes_to_the_mails_they_are_of() -> None:
    message = EmailMessage()
    message["From"] = "Jörg Roe <Joerg@Harbor.example>"
    message["To"] = "a@x.example, B <b@x.example>"
    message["Cc"] = "c@x.example"
    message["Subject"] = "Re: Plan ö"
    message["Date"] = "Thu, 19 Nov 2026 10:00:00 +0200"
    message["Message-ID"] = "<two@harbor.example>"
    message["References"] = "<one@x.example> <mid@x.example>"
    message["X-Gmail-Labels"] = "Inbox,Important"
    message.set_content("Two plants.\n\nOn Wed, 18 Nov 2026 A wrote:\n> How many?\n> Tell me\n")
    message.add_attachment(b"12345", maintype="application", subtype="pdf", filename="plan.pdf")
    told = mail.parse(message.as_bytes())
    assert told.head() == {
        "from": "joerg@harbor.example",
        "from_name": "Jörg Roe",
        "to": ["a@x.example", "b@x.example"],
        "cc": ["c@x.example"],
        "date": "2026-11-19T08:00:00+00:00",
        "message_id": "two@harbor.example",
        "thread_id": "one@x.example",
        "labels": ["Inbox", "Important"],
        "has_attachments": True,
        "attachments": [{"name": "plan.pdf", "type": "application/pdf", "size": 5}],
    }
    assert told.archive_text() == (
        "From: Jörg Roe\nTo: a@x.example, b@x.example\nSubject: Re: Plan ö\n"
        "Date: 2026-11-19T08:00:00+00:00\n\nTwo plants."
    )
    assert told.date == datetime(2026, 11, 19, 8, tzinfo=UTC)


def test_a_mail_of_html_and_an_unknown_charset_is_read_and_one_of_quotes_alone_keeps_them() -> None:
    page = b"From: a@x.example\nContent-Type: text/html\n\n<p>Two</p><p>plants</p>"
    assert mail.parse(page).body == "Two\n\nplants"
    odd = b"From: a@x.example\nContent-Type: text/plain; charset=klingon\n\nTwo plants"
    assert mail.parse(odd).body == "Two plants"
    assert mail.without_quotes("> only\n> this") == "> only\n> this"


@pytest.mark.parametrize(
    "head",
    [
        b"To: group: a@b;\x00<",
        b"From: (Content-Type: >,<",
        b"To: @\n=?utf-8?q?--x",
        b"To: @[",
        b"Message-ID: <<Content-Disposition: attachment; filename*=utf-8''%ff",
        b"Content-Type: x/y;Content-Disposition: attachment\x00group: a@b;:",
    ],
)
def test_a_head_over_which_the_parser_stumbles_is_read_or_told(head: bytes) -> None:
    try:
        told = mail.parse(b"Subject: Plants\n" + head + b"\n\nTwo plants")
    except BadDataError:
        return  # told, with what to do
    assert told.subject == "Plants"


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_reading_of_mail(data: bytes) -> None:
    try:
        told = mail.parse(b"From: a@x.example\nDate: soon\nTo: ,;<\nReferences: \n" + data)
    except BadDataError:
        return
    assert told.sender == "a@x.example"
    assert told.date is None
