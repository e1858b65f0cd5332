"""Which addresses name the same page: what says how a reader came is left out, what hides the page is unwrapped."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

import polars as pl

NESTED = 3
"""So many redirectors around one address are unwrapped."""

# Parameters that say how a reader came, not what they read.
_TRACKING = (
    r"(?i)^(utm_[a-z0-9_]*|(?:pk|mtm|piwik|matomo|ns|oly|fb|ga|hsa|vero|trk|sc|at|wt)_[a-z0-9_.]*|fbclid|gclid|gclsrc"
    r"|dclid|gbraid|wbraid|gad_source|gad_campaignid|srsltid|msclkid|yclid|ysclid|twclid|ttclid|rdt_cid|li_fat_id|epik"
    r"|s_kwcid|s_cid|igshid|igsh|mc_cid|mc_eid|mkt_tok|ref|ref_|ref_src|ref_url|referer|referrer|reflink|source|src"
    r"|sref|cmpid|cmp|camp|ocid|icid|ncid|intcmp|int_cmp|intcid|xtor|sr_share|smid|smtyp|smprod|spm|_ga|_gl|_hsenc"
    r"|_hsmi|__hstc|__hssc|__hsfp|hsctatracking|_openstat|ito|partner|rss|feed|feedtype|feedname|guccounter"
    r"|guce_[a-z_]*|soc_src|soc_trk|ftag|tpcc|taid|srnd|leadsource|trk|trkcampaign|trackingid|wickedid|rb_clickid"
    r"|mbid|emc|shareid|share_id|sharetype|__twitter_impression|amp|outputtype|usqp|amp_js_v|amp_gsa|cvid|ei)$"
)
_MOBILE = r"^(?:(?:www\d?|m|mobile|touch|wap|amp)\.)+(.+\..+)$"
_MOBILE_INSIDE = r"^([a-z]{2,3})\.(?:m\.)+(.+\..+)$"
_DEFAULT_PORT = r":(?:80|443)?$"
_USUAL_PAGE = r"(?i)(?:/amp|/index\.(?:html?|php|aspx?)|\.amp(?:\.html?)?)+$"
_AMP_PAGE = r"(?i)\.amp\.(html?)$"

# Of each redirector: its host, and the parameters that carry the address.
_CARRIERS = (
    (r"(?:www\.)?google\.[a-z.]+$", ("url", "q")),
    (r"l[m]?\.(?:facebook|instagram|messenger)\.com$", ("u",)),
    (r"(?:www|news)?\.?bing\.com$", ("url", "u")),
    (r"(?:[a-z0-9-]+\.)?safelinks\.protection\.outlook\.com$", ("url",)),
    (r"(?:www\.)?youtube\.com$", ("q",)),
    (r"(?:www\.)?linkedin\.com$", ("url",)),
    (r"out\.reddit\.com$", ("url",)),
    (r"(?:t|href)\.umblr\.com$", ("z",)),
    (r"duckduckgo\.com$", ("uddg",)),
    (r"slack-redir\.net$", ("url",)),
    (r"(?:away\.)?vk\.com$", ("to",)),
    (r"(?:www\.)?steamcommunity\.com$", ("url", "u")),
    (r"disq\.us$", ("url",)),
    (r"(?:www\.)?tkqlhce\.com$|(?:www\.)?anrdoezrs\.net$", ("url",)),
    (r"clickserve\.dartsearch\.net$", ("ds_dest_url",)),
    (r"(?:go|click)\.redirectingat\.com$|go\.skimresources\.com$", ("url",)),
    (r"redirect\.viglink\.com$", ("u",)),
    (r"exit\.sc$", ("url",)),
    (r"urldefense\.proofpoint\.com$", ("u",)),
)
_PARAMETERS = ("url", "u", "q", "to", "z", "dest", "destination", "target", "redirect", "uddg")
_SUSPECT = (
    r"(?i)https?(?::|%3a|-3a)(?:/|%2f|_).*https?(?::|%3a|%253a|-3a)"
    r"|/RU=|ampproject\.org|/amp/s/|disq\.us|href\.li"
)
_GENERIC = re.compile(r"(?i)/(?:redirect|redir|r|out|away|link|click|l|url|goto|exit)(?:\.\w+)?/?$")


def canonical_url(column: str) -> pl.Expr:
    """The address without what does not name the page: scheme, `www`, mobile host, tracking, fragment, last slash.

    Addresses inside those of redirectors and of AMP caches are taken out of them. A port stays unless it is the usual
    one. Null where there is no address, and where it names a site and not a page.
    """
    return pl.col(column).map_batches(_canonical, return_dtype=pl.String, is_elementwise=True)


def _canonical(urls: pl.Series) -> pl.Series:
    if urls.null_count() == len(urls):
        return urls.cast(pl.String)
    url = pl.col("url").str.strip_chars().str.replace(r"(?s)#.*$", "")
    server = url.str.extract(
        r"(?i)^[a-z][a-z0-9+.-]*://(?:[^/?@]*@)?([^/?]+)", 1
    ).str.to_lowercase()
    port = server.str.extract(r"(:\d*)$", 1).fill_null("").str.replace(_DEFAULT_PORT, "")
    name = server.str.replace(r":\d*$", "").str.strip_suffix(".").str.replace(_MOBILE, "$1")
    host = name.str.replace(_MOBILE_INSIDE, "$1.$2") + port
    path = (
        url.str.extract(r"^[^:]+://[^/?]*([^?]*)", 1)
        .str.replace_all(r"/{2,}", "/")
        .str.strip_suffix("/")
        .str.replace(_AMP_PAGE, ".$1")
        .str.replace(_USUAL_PAGE, "")
    )
    query = (
        url.str.extract(r"\?(.*)$", 1)
        .fill_null("")
        .str.split("&")
        .list.eval(
            pl.element().filter(
                (pl.element() != "")
                & ~pl.element().str.extract(r"^([^=]*)", 1).str.contains(_TRACKING)
            )
        )
        .list.sort()
        .list.join("&")
    )
    page = pl.concat_str(host, path, pl.when(query != "").then("?" + query).otherwise(pl.lit("")))
    named = pl.when((path != "") | (query != "")).then(page)
    return unwrapped(urls).to_frame("url").select(named.alias(urls.name)).to_series()


def unwrapped(urls: pl.Series) -> pl.Series:
    """The addresses that redirectors and AMP caches were asked for; few look like one, and only these are read."""
    urls = urls.cast(pl.String)
    suspect = urls.str.contains(_SUSPECT).fill_null(value=False)
    if not suspect.any():
        return urls
    found = [unwrap(url) for url in urls.filter(suspect).to_list()]
    return urls.scatter(suspect.arg_true(), pl.Series(found, dtype=pl.String))


def unwrap(url: str) -> str:
    """The address inside an address, if that is a redirector's or an AMP cache's; otherwise as it is."""
    for _ in range(NESTED):
        try:
            inner = _inside(url.strip())
        except ValueError:
            return url
        if inner is None:
            return url
        url = inner
    return url


def _inside(url: str) -> str | None:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    amp = re.match(r"/(?:amp|[cvi]|wp)/(s/)?(.+)$", parts.path)
    if amp and (host.endswith("cdn.ampproject.org") or re.match(r"(www\.)?google\.", host)):
        tail = f"?{parts.query}" if parts.query else ""
        return f"{'https' if amp[1] else 'http'}://{amp[2].removeprefix('s/')}{tail}"
    if host == "href.li" and parts.query.startswith("http"):
        return unquote(parts.query) if "%3A" in parts.query[:12] else parts.query
    if host == "r.search.yahoo.com" and (found := re.search(r"/RU=([^/]+)", parts.path)):
        return unquote(found[1])
    if host == "urldefense.com" and (found := re.search(r"/v3/__(.+?)__;", url)):
        return found[1]
    asked = parse_qs(parts.query)
    for known, names in _CARRIERS:
        if re.match(known, host):
            return _first(asked, names, proofpoint=host == "urldefense.proofpoint.com")
    return _first(asked, _PARAMETERS) if _GENERIC.search(parts.path) else None


def _first(
    asked: dict[str, list[str]], names: tuple[str, ...], *, proofpoint: bool = False
) -> str | None:
    for name in names:
        for value in asked.get(name, ()):
            plain = value
            if proofpoint:
                plain = unquote(value.replace("-", "%").replace("_", "/"))
            if re.match(r"(?i)https?://[^/]+", plain):
                return plain
            if (decoded := unquote(plain)) != plain and re.match(r"(?i)https?://[^/]+", decoded):
                return decoded
    return None
