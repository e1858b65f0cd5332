"""What may stand around a name and change who is meant: regular expressions over told words (see `matching`)."""

from __future__ import annotations

from clientlore.names import LEGAL_FORMS

FORM = r"(?i)^[ .,\-](?:" + "|".join(sorted(LEGAL_FORMS, key=len, reverse=True)) + r")(?:[ .,\-]|$)"
# Capitals before a name that are not part of it.
BEFORE = (
    r"(?:the|a|an|and|or|of|in|on|at|by|for|to|from|with|as|but|if|when|while|after|before|since|that|than|both|its|his"
    r"|her|their|our|this|yesterday|today|tomorrow|now|former|like|unlike|meanwhile|however|also|u s|us|uk|mr|mrs|ms|dr"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|may|june|july|august|september|october"
    r"|november|december|american|british|german|french|dutch|swiss|italian|japanese|chinese|swedish|canadian|spanish"
    r"|australian|indian|european|firm|group|chairman|president|analyst|spokesman|rival|parent|unit|vs|versus"
    r"|based|owned|controlled|led|listed|backed|" + "|".join(sorted(LEGAL_FORMS)) + ")"
)
# A name that goes on until a legal form of its own: `Morgan International Ltd`, `Morgan and Co`.
GOES_ON = (
    r"^(?: \p{Lu}[\p{L}]+){1,3}[ .,]"
    r"(?:(?i:" + "|".join(sorted(LEGAL_FORMS, key=len, reverse=True)) + r"))(?:[ .,\-]|$)"
    r"|^ (?:International|Bank|Brothers|Securities|Capital|Trust|Asia|Europe|Foundation|University)[ .,]|^ and Co[ .,]"
)
# The first word of a sentence has a capital anyway; these are part of a name even there: `North Kiln Works`.
POINTS = r"(?:^ |[.,] ?)(?:Royal|(?:North|South|East|West)(?:ern)?)[ \-]$"
HOLDING = r"\d (?:mln )?(?:shares|shrs) of $"
SHARE_CLASS = r"^ (?:ordinary|preference|prefs?|ords?)[ ,.]"
BETWEEN_PRICES = r"\d(?: \p{L}{1,3}){0,2} $"
PRICES = r"^ (?:\p{L}{1,4} )?\d"
JOB = (
    r"(?:analyst|economist|strategist|spokesm[ae]n|spokeswoman|president|chairman|chairwoman|director|executive|officer"
    r"|manager|trader|dealer|broker|head|consultant|professor)s?"
)
# Somebody who works there speaks, or the company serves another's deal.
BY_THE_WAY = (
    rf"(?i)(?:{JOB} (?:\p{{L}}+ )?(?:of|at|for|with|from)|(?:agents?|trustees?|registrars?|underwriters?|makers"
    r"|managers?)(?: is| are| was| were| will be)?|guaranteed by|crossed by|counsel to|advised by)"
    r"(?: \p{Ll}+)?[ ,]$"
)
WORKS_THERE = rf"^ (?:(?:vice|managing|senior|chief|executive|deputy) ){{0,3}}{JOB} "
# One of several that are named as examples.
EXAMPLE = r"(?:including|such as|like) (?:[\p{L}\p{N}]+[ ,.\-]){0,6}(?:and |or )?$"
LONGER = r"(?:^|[ \-])(\p{Lu}[\p{Ll}\p{N}]+)[ \-]$"
LENGTH_CHANGES = {
    "\u0130": "I",
    "\u1e9e": "SS",
    "\u023a": "A",
    "\u023e": "T",
    "\u2c62": "L",
    "\u2c64": "R",
}
