"""The words from which the mock search makes its news. Invented outlets, people and places; nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Story:
    """A kind of story: two headlines for one thing, and what the text says.

    The slots: name, short, industry, city, city2, person, person2, amount, percent, count, product, other,
    quarter.
    """

    category: str
    title: str
    retitled: str
    sentences: tuple[str, ...]


OUTLETS = (
    ("Meridian Wire", "meridianwire.example"),
    ("The Ledger Post", "ledgerpost.example"),
    ("Harbour Business Daily", "harbourdaily.example"),
    ("Northgate Markets", "northgatemarkets.example"),
    ("Trade & Industry Review", "tradereview.example"),
    ("The Evening Register", "eveningregister.example"),
)
CITIES = (
    "Lisbon",
    "Rotterdam",
    "Leeds",
    "Aarhus",
    "Turin",
    "Graz",
    "Porto",
    "Malmo",
    "Bilbao",
    "Cork",
)
FIRST = ("Ines", "Tomas", "Priya", "Henrik", "Adaeze", "Luca", "Marta", "Oskar", "Yuki", "Elena")
LAST = (
    "Albrecht",
    "Castelo",
    "Dubois",
    "Eriksen",
    "Farkas",
    "Iyer",
    "Kovac",
    "Lindqvist",
    "Moreau",
    "Osei",
)
PRODUCTS = ("Vantage", "Corda", "Pivot One", "Lumen Suite", "Anchor", "Tessera", "Brightline")
OTHERS = (
    "Oakhurst Partners",
    "Valmont Freight",
    "Kestrel Holdings",
    "Aurelia Group",
    "Pinecrest Capital",
)

STORIES = (
    Story(
        "funding",
        "{name} raises {amount} to expand in {city}",
        "{other} leads {amount} round for {short}",
        (
            "{name} said on Tuesday it had raised {amount} in a round led by {other}.",
            "The {industry} company will open an office in {city} and hire {count} people there by next summer.",
            "Chief executive {person} said demand had grown {percent} in twelve months and outpaced the plan.",
            "Existing investors took part; the company did not disclose its valuation.",
            "Part of the money repays a bridge loan taken out last autumn.",
        ),
    ),
    Story(
        "m_and_a",
        "{name} to acquire {other} for {amount}",
        "{other} agrees to {amount} takeover by {short}",
        (
            "{name} has agreed to acquire {other} for {amount} in cash, the two companies said.",
            "The deal gives the {industry} group a second base in {city} and about {count} more staff.",
            "{person}, who chairs the buyer, called it the right step after two years of talks.",
            "Regulators in {city2} still have to approve the purchase, which should close in {quarter}.",
            "Shareholders holding {percent} of the target have already accepted.",
        ),
    ),
    Story(
        "leadership",
        "{name} names {person} as chief financial officer",
        "{short} appoints {person} finance chief as {person2} steps down",
        (
            "{name} has appointed {person} as chief financial officer with effect from {quarter}.",
            "{person} joins the {industry} company from {other}, where she ran finance for six years.",
            "She succeeds {person2}, who steps down after a decade and stays on as adviser until spring.",
            "The board in {city} said the search had taken five months and looked at {count} candidates.",
        ),
    ),
    Story(
        "legal_regulatory",
        "Regulator opens investigation into {name} over {product} contracts",
        "{short} faces probe of {product} contracts in {city}",
        (
            "The competition authority in {city} has opened a formal investigation into {name}.",
            "It concerns {count} contracts for {product} that rivals say shut them out of the market.",
            "The {industry} company said it would cooperate and believed it had complied with the law.",
            "A fine could reach {percent} of annual turnover, lawyers at {other} estimate.",
            "A first hearing is due in {quarter}.",
        ),
    ),
    Story(
        "product",
        "{name} launches {product} for mid-sized customers",
        "With {product}, {short} goes after mid-sized customers",
        (
            "{name} launched {product} on Monday, its first offer aimed at mid-sized customers.",
            "The {industry} firm promises set-up in two weeks and costs {percent} lower than today.",
            "{count} customers took part in a trial that began in {city} in the spring.",
            "{person}, head of product, said a version for larger groups follows in {quarter}.",
        ),
    ),
    Story(
        "earnings",
        "{name} lifts forecast as quarterly revenue grows {percent}",
        "{short} revenue up {percent}, guidance raised",
        (
            "{name} reported quarterly revenue of {amount}, {percent} more than a year before.",
            "The {industry} group lifted its full-year forecast for the second time and kept its dividend.",
            "Growth was strongest in {city}, while margins in {city2} fell on higher wages.",
            "Finance chief {person} expects capital spending to peak in {quarter}.",
        ),
    ),
    Story(
        "partnership",
        "{name} and {other} sign five-year supply agreement",
        "{other} picks {short} in five-year agreement",
        (
            "{name} and {other} have signed a five-year agreement worth up to {amount}.",
            "Under it the {industry} company supplies {count} sites, first of all in {city}.",
            "Both sides will share data from {product} to plan stock, said {person}, who led the talks.",
            "First deliveries are planned for {quarter}.",
        ),
    ),
    Story(
        "risk",
        "{name} to cut {count} jobs in {city}",
        "Strike looms at {short} as {count} jobs go in {city}",
        (
            "{name} plans to cut {count} jobs in {city}, union representatives said after a meeting.",
            "The {industry} company blames falling orders, down {percent} since the start of the year.",
            "Workers will vote on a strike next week; the last one, nine years ago, lasted a month.",
            "Managing director {person} said talks would continue and nobody would leave before {quarter}.",
        ),
    ),
    Story(
        "expansion",
        "{name} to build {amount} plant near {city}",
        "{short} picks {city} for {amount} plant",
        (
            "{name} will invest {amount} in a plant near {city}, its largest single project so far.",
            "Construction begins in {quarter} and creates {count} jobs, the regional government said.",
            "The {industry} group chose the site over {city2} because of its rail link.",
            "{person}, who runs operations, said {percent} of the power would come from the plant's own roof.",
        ),
    ),
    Story(
        "award",
        "{name} wins industry prize for {product}",
        "Industry prize goes to {short} for {product}",
        (
            "{name} has won this year's prize of the {industry} association for {product}.",
            "The jury in {city} praised the low running costs and looked at {count} entries.",
            "{person} accepted the prize; last year it went to {other}.",
        ),
    ),
)

NAMESAKES = (
    (
        "{first} High School wins regional chess final in {city}",
        "The team of {first} High School won the regional chess final in {city} on Saturday. "
        "Coach {person} said {count} pupils had taken part in the club this year, more than ever before.",
    ),
    (
        "Road works close {first} Street in {city} until spring",
        "{first} Street in {city} closes for repairs from Monday, the council said. "
        "Buses take another way, and {count} households were told by letter, said engineer {person}.",
    ),
    (
        "{first} Choir to tour {city} and {city2}",
        "The {first} Choir will give concerts in {city} and {city2} this winter. "
        "Conductor {person} has rehearsed with {count} singers since the summer.",
    ),
)
ROUNDUP = (
    "Markets wrap: shares in {city} drift as traders wait for rates",
    "Shares in {city} ended little changed as traders waited for the central bank. "
    "{other} rose {percent}, while energy stocks fell with the oil price. "
    "Among smaller names, {name} was unchanged. "
    "Volumes were {count} million, below the average of the month, and the bond market was quiet. "
    "Analyst {person} expects calm trading until the decision.",
)
UNRELATED = (
    (
        "Rain ends dry spell in {city}",
        "Rain fell in {city} on Sunday for the first time in {count} days, to the relief of farmers. "
        "More is expected, said {person} of the weather service.",
    ),
    (
        "{city} marathon draws {count} runners",
        "The {city} marathon drew {count} runners this year. {person} won in cool weather, "
        "ahead of last year's winner {person2}.",
    ),
)
EXTRA = (
    "Analysts at {other} called the news expected.",
    "The company's offices in {city2} were closed when it was asked for further comment.",
    "People close to the matter had said so last week.",
)
