"""Words from outside in Markdown: read by two parsers, one strict and one that turns addresses into links."""

from __future__ import annotations

import re
from typing import Any

import mistune
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from clientlore.memory.markdown import Marked, code, link, templates, text, to_file

STRICT = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
LINKING = mistune.create_markdown(renderer="ast", plugins=["url", "table", "strikethrough"])
NASTY = [
    "[click](https://evil.example)",
    "![pixel](https://evil.example/p.png)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "# Not a heading",
    "Setext\n===",
    "line one\n\n# line two",
    "- - nested",
    "+ plus",
    "1. first",
    "12) twelfth",
    "> quoted",
    "```\ncode\n```",
    "~~~ fence",
    "a | b | c",
    "*bold* _italic_ ~~gone~~ `code`",
    "AT&amp;T &#60;b&#62; &lt;",
    "https://evil.example/path www.evil.example evil.example x@evil.example",
    "mailto:x@evil.example",
    "[ref]: https://evil.example",
    "<https://evil.example>",
    "back\\slash \\[x\\](y)",
    "trailing backslash \\",
    "---",
    "***",
    "    indented",
    "US$5 and 10$ x $\\href{https://evil.example}{y}$",
    "left \u202eright\u2066 \u0000 \u2028 end",
]
_PLAIN = {"text", "paragraph_open", "paragraph_close", "inline", "text_special", "text_join"}


def flat(tokens: list[Token]) -> list[Token]:
    return [one for token in tokens for one in (token, *flat(token.children or []))]


def kinds(node: Any) -> set[str]:
    """Every kind of node that the linking parser found."""
    if isinstance(node, list):
        return set().union(*(kinds(x) for x in node)) if node else set()
    return {node["type"]} | kinds(node.get("children", []))


def words_of(markdown: str) -> str:
    return "".join(
        t.content for t in flat(STRICT.parse(markdown)) if t.type in {"text", "softbreak"}
    )


@pytest.mark.parametrize("nasty", NASTY)
@pytest.mark.parametrize("before", ["", "- ", "- **Risk.** ", "> "])
def test_nothing_from_outside_is_markup_wherever_it_stands(nasty: str, before: str) -> None:
    made = before + text(nasty)
    found = {t.type for t in flat(STRICT.parse(made))}
    expected = {t.type for t in flat(STRICT.parse(before + "words"))}
    assert found <= expected | _PLAIN, found - expected
    assert not kinds(LINKING(made)) & {"link", "image", "inline_html", "block_html", "heading"}


@pytest.mark.parametrize("nasty", NASTY)
def test_the_words_are_still_read_as_they_were(nasty: str) -> None:
    def plain(value: str) -> str:
        value = value.replace("\u2060", "")
        return " ".join(re.sub("[\u202a-\u202e\u2066-\u2069\u0000\u2028]", " ", value).split())

    assert plain(words_of(text(nasty))) == plain(nasty)


@given(st.text(max_size=60) | st.text(alphabet="aB1 .,;()'\"%/-:", max_size=60))
def test_no_text_at_all_becomes_more_than_one_paragraph_of_words(value: str) -> None:
    for before in ("", "- ", "| a | b |\n|---|---|\n| "):
        made = before + text(value)
        found = {t.type for t in flat(STRICT.parse(made))}
        expected = {t.type for t in flat(STRICT.parse(before + "words"))}
        assert found <= expected | _PLAIN
    assert not kinds(LINKING(text(value))) & {
        "link",
        "image",
        "inline_html",
        "block_html",
        "heading",
    }


@given(st.text(max_size=40))
def test_a_code_span_holds_whatever_it_is_given(value: str) -> None:
    inside = [t for t in flat(STRICT.parse(f"a {code(value)} b")) if t.type != "text"]
    assert [t.type for t in inside if t.type == "code_inline"] in (["code_inline"], [])
    assert not {t.type for t in inside} & {"html_inline", "link_open", "image"}


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://a.example/x",
        "//evil.example",
        "https://",
        "https:///x",
        None,
        "",
    ],
)
def test_only_web_addresses_become_links(url: str | None) -> None:
    assert link("Words", url) == "Words"


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/x y)](z)",
        "https://a.example/<b>\\",
        'https://a.example/"onclick="x',
        "https://a.example/é?q=1&r=a,b#c",
        "https://a.example/%2Fkept",
    ],
)
def test_a_link_cannot_be_broken_out_of(url: str) -> None:
    tokens = flat(STRICT.parse(f"- {link('a ] [b](c)', url)} end"))
    hrefs = [t.attrs["href"] for t in tokens if t.type == "link_open"]
    assert len(hrefs) == 1
    assert str(hrefs[0]).startswith("https://a.example/")
    assert not any(t.type == "html_inline" for t in tokens)


def test_a_template_escapes_what_is_not_said_to_be_markdown() -> None:
    made = templates("clientlore.memory").from_string("{{ a }} {{ b }} {{ a | code }}")
    assert made.render(a="*x*", b=Marked("*y*")) == "\\*x\\* *y* `*x*`"
    assert to_file("A [b]", "../contacts/p 1.md") == "[A \\[b\\]](<../contacts/p%201.md>)"
