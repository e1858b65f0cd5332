"""What is wrong with a page: read as the standard says, then looked over for what a parser does not mind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

from justhtml import JustHTML
from selectolax.lexbor import LexborHTMLParser, LexborNode

_LOADS = (
    "src",
    "srcset",
    "poster",
    "data",
    "background",
    "action",
    "formaction",
    "ping",
    "manifest",
)
_CSS_LOADS = re.compile(r"@import|url\(|image-set\(|@font-face", re.IGNORECASE)
_RUNS = re.compile(r"\s*(?:javascript|data|vbscript):", re.IGNORECASE)
_VARIABLE = re.compile(r"--([a-z-]+):\s*(#[0-9a-f]{6})\b")


def parse_errors(html: str) -> list[str]:
    """Errors of parsing, by their names in the HTML standard."""
    found = JustHTML(html, collect_errors=True, sanitize=False, track_node_locations=True).errors
    return [f"{error.line}:{error.column} {error}" for error in found]


def faults(html: str) -> list[str]:
    """What else is wrong: ids, names, headings, landmarks, labels, tables; empty is good."""
    tree = LexborHTMLParser(html)
    root = tree.root
    assert root is not None
    found = []
    ids = Counter(str(node.attributes["id"]) for node in root.css("[id]"))
    found += [f"id {name} {count} times" for name, count in ids.items() if count > 1]
    for node in root.css("[aria-labelledby], [aria-describedby], [for]"):
        for name in ("aria-labelledby", "aria-describedby", "for"):
            found += [f"{name} {x} leads nowhere" for x in _of(node, name).split() if x not in ids]
    found += [
        f"link to {href} leads nowhere"
        for a in root.css("a[href^='#']")
        if (href := _of(a, "href"))[1:] not in ids
    ]
    found += ["a link without words" for a in root.css("a") if not a.text().strip()]
    found += ["a link without an address" for a in root.css("a") if not _of(a, "href")]
    found += ["an image without alt" for img in root.css("img") if "alt" not in img.attributes]
    found += ["a frame without a title" for f in root.css("iframe") if not _of(f, "title")]
    found += [
        "a frame that is not sandboxed" for f in root.css("iframe") if "sandbox" not in f.attributes
    ]
    found += [
        "a drawing without a name"
        for svg in root.css("svg")
        if _of(svg, "role") != "img" or not _of(svg, "aria-labelledby")
    ]
    for control in root.css("input, select, textarea"):
        if not _inside(control, "label") and not _of(control, "aria-label"):
            found.append(f"{control.tag} without a label")
    found += [
        "a fieldset without a legend" for f in root.css("fieldset") if f.css_first("legend") is None
    ]
    found += [
        "details without a summary" for d in root.css("details") if d.css_first("summary") is None
    ]
    found += [
        "a table without a caption" for x in root.css("table") if x.css_first("caption") is None
    ]
    found += ["a heading of a table without scope" for th in root.css("th") if not _of(th, "scope")]
    levels = [int(node.tag[1]) for node in root.css("h1, h2, h3, h4, h5, h6")]  # type: ignore[index]
    if levels[:1] != [1] or levels.count(1) != 1:
        found.append("not one h1, first")
    found += [f"h{b} after h{a}" for a, b in pairwise(levels) if b > a + 1]
    for landmark in ("header", "nav", "main", "footer"):
        if root.css_first(landmark) is None:
            found.append(f"no {landmark}")
    html_node = root.css_first("html")
    if html_node is None or not _of(html_node, "lang"):
        found.append("no language")
    if not root.css("title") or not root.css("title")[0].text().strip():
        found.append("no title")
    return found


def loads(html: str) -> list[str]:
    """What the page would run, or fetch from elsewhere, by itself; empty is good."""
    tree = LexborHTMLParser(html)
    root = tree.root
    assert root is not None
    found = [
        f"<{node.tag}>" for node in root.css("script, link, object, embed, base, audio, video")
    ]
    for node in root.css("*"):
        for name in node.attributes:
            value = _of(node, name)
            runs = name in {"href", "xlink:href"} and _RUNS.match(value)
            fetches = name in _LOADS and not value.startswith("data:")
            styled = name == "style" and _CSS_LOADS.search(value)
            if name.startswith("on") or runs or fetches or styled:
                found.append(f"{name}={value}")
    found += [
        f"style: {hit}" for style in root.css("style") for hit in _CSS_LOADS.findall(style.text())
    ]
    return found


def srcdocs(html: str) -> list[str]:
    """The documents in the frames of a page."""
    root = LexborHTMLParser(html).root
    assert root is not None
    return [_of(frame, "srcdoc") for frame in root.css("iframe")]


def colours(css: str) -> dict[str, dict[str, str]]:
    """The named colours of a stylesheet in light and in dark."""
    light, dark = css.split("@media (prefers-color-scheme: dark)", 1)
    base = dict(_VARIABLE.findall(light))
    return {"light": base, "dark": base | dict(_VARIABLE.findall(dark.split("}\n}", 1)[0]))}


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours such as #1b2430 (WCAG 2.2), from 1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _of(node: LexborNode, name: str) -> str:
    attributes: Mapping[str, str | None] = node.attributes
    return attributes.get(name) or ""


def _inside(node: LexborNode, tag: str) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.tag == tag:
            return True
        parent = parent.parent
    return False
