"""From markup to plain text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.providers.text import plain_text


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("Acme opens plant", "Acme opens plant"),
        ("  Acme \t opens\r\n\nplant ", "Acme opens plant"),
        ("<p>One</p><p>Two</p>", "One Two"),
        ("One<br>Two<br/>Three", "One Two Three"),
        ("<ul><li>One</li><li>Two</li></ul>", "One Two"),
        ("<b>Ac</b>me", "Acme"),
        ("AT&amp;T &mdash; caf&eacute; &#8220;x&#8221;", "AT&T — café “x”"),
        ("AT&amp;amp;T", "AT&T"),
        ("a&nbsp;b", "a b"),
        ("2 &lt; 3", "2 < 3"),
        ("2 < 3 & 4 > 1", "2 < 3 & 4 > 1"),
        ("R&D", "R&D"),
        ("<script>alert('x')</script>Acme", "Acme"),
        ("Acme<style>p{}</style><noscript>n</noscript><iframe>f</iframe>", "Acme"),
        ("<img src=x onerror=alert(1)>Acme", "Acme"),
        ("<!-- hidden -->Acme", "Acme"),
        ("<p>Acme <b>unclosed", "Acme unclosed"),
        ("Acme\x00\x07 opens\x0b plant\x1f\x7f", "Acme opens plant"),
        ("Acme\x93opens\x94", "Acme opens"),
        ("Acme &#7; opens", "Acme opens"),
        ("half a pair \ud83d here", "half a pair here"),
        ("<p>half a pair \ud83d here</p>", "half a pair here"),
        ("", ""),
        (None, ""),
    ],
)
def test_only_the_words_of_markup_are_left(markup: str | None, expected: str) -> None:
    # In letters that a report can print, should it ever fail.
    assert ascii(plain_text(markup)) == ascii(expected)


def test_a_text_is_cut_at_its_limit() -> None:
    assert plain_text("word " * 100, limit=12) == "word word wo"
    assert plain_text(f"<p>{'word ' * 100}</p>", limit=12) == "word word wo"


def test_what_lies_far_behind_the_limit_is_not_even_read() -> None:
    assert plain_text(f"<p title='{'x' * 1_000_000}'>never</p>", limit=100) == ""


@given(st.text(st.one_of(st.sampled_from("<>&;#/!ap x1\"'="), st.characters()), max_size=60))
@settings(max_examples=300, deadline=None)
def test_whatever_comes_in_one_line_that_can_be_stored_comes_out(markup: str) -> None:
    text = plain_text(markup)
    assert not [c for c in text if unicodedata.category(c) in {"Cc", "Cs"}]
    assert text == " ".join(text.split())
    assert text.encode().decode() == text


@given(st.text(st.sampled_from("abc äß.,-!?'\"1 "), max_size=60))
@settings(max_examples=60, deadline=None)
def test_plain_text_stays_as_it_is_but_for_its_spaces(text: str) -> None:
    assert plain_text(text) == " ".join(text.split())
