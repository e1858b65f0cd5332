"""Near-duplicates, held against pairs of Reuters stories that were judged by reading them.

410 of the candidate pairs were drawn at random within bands of overlap, more of the doubtful ones, and judged from
their headlines, dates and the words that differ. The question was whether a reader who knows the one learns of
another event from the other: a correction, a longer version and a flash are the same; a report of another day, place,
company or price in the same words is not. Pairs that share a story are in the same half.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path

import numpy as np
import polars as pl

from clientlore.evaluation.figures import Estimate, Figure, f1, named, sign_test, with_interval
from clientlore.evaluation.sets import lines
from clientlore.monitoring import nearduplicates
from clientlore.monitoring.normalise import with_keys

AIM = 0.95


@dataclass(frozen=True)
class Judged:
    """Labelled pairs with what is measured of them.

    Attributes:
        pairs: Columns of `nearduplicates.compared`, and `same` and `half`.
    """

    pairs: pl.DataFrame

    def half(self, name: str) -> pl.DataFrame:
        """The pairs for tuning (`tune`) or for checking (`check`)."""
        return self.pairs.filter(pl.col("half") == name)


def labels() -> pl.DataFrame:
    """The judged pairs: `earlier`, `later`, `same`, `half`."""
    file = resources.files("clientlore.evaluation").joinpath("reuters_pairs.tsv")
    frame = pl.read_csv(file.read_bytes(), separator="\t")
    return frame.select(
        pl.col("a").alias("earlier"), pl.col("b").alias("later"), pl.col("same") == 1, "half"
    )


def reuters(folder: Path) -> pl.DataFrame:
    """The stories as items: `n`, `title`, `text`, `published_at`, `words`."""
    rows = [
        (a["newid"], a["title"] or "", a["body"] or "", _time(a["date"]))
        for a in lines(folder / "monitoring" / "reuters21578" / "train_and_unused.jsonl.gz")
    ]
    frame = pl.DataFrame(
        rows,
        schema={
            "n": pl.Int64,
            "title": pl.String,
            "text": pl.String,
            "published_at": pl.Datetime("us", "UTC"),
        },
        orient="row",
    )
    blank = dict.fromkeys(("url", "publisher"), pl.lit(None, pl.String))
    keyed = with_keys(
        frame.with_columns(
            **blank,
            source_id=pl.lit("reuters"),
            origin_id=pl.col("n").cast(pl.String),
            collected_at=pl.col("published_at"),
        )
    )
    return keyed.select("n", "title", "text", "published_at", "words").sort("n")


def judged(folder: Path, *, dated: bool = True) -> Judged:
    """Every labelled pair, measured; without the dates of publication if asked."""
    told = reuters(folder)
    if not dated:
        told = told.with_columns(published_at=pl.lit(None, pl.Datetime("us", "UTC")))
    pairs = labels()
    wanted = pl.concat([pairs["earlier"], pairs["later"]]).unique()
    told = told.filter(pl.col("n").is_in(wanted.implode()))
    looked = nearduplicates.compared(pairs, told)
    return Judged(pairs.join(looked, on=["earlier", "later"], how="left", maintain_order="left"))


def figures(folder: Path) -> list[Figure]:
    """F1 on the half that nothing was tuned on, with and without dates, and the best single threshold there is."""
    made = []
    for dated in (True, False):
        pairs = judged(folder, dated=dated)
        check = pairs.half("check")
        truth = check["same"].to_numpy()
        said = _accepted(check)
        name = "near-duplicates" if dated else "near-duplicates, no dates"
        made.append(named(name, _f1(truth, said), len(truth), AIM))
        if dated:
            made += _single(pairs, truth, said)
    return made


def _accepted(pairs: pl.DataFrame) -> np.ndarray:
    found = pairs.select((pl.col("probability") >= nearduplicates.ACCEPTED).fill_null(value=False))
    return found.to_series().to_numpy()


def _single(pairs: Judged, truth: np.ndarray, ours: np.ndarray) -> list[Figure]:
    """The best threshold on containment: chosen on the other half, and chosen with hindsight on this one."""
    made = []
    mine = pairs.half("check")["containment"].fill_null(0.0).to_numpy()
    for name, half in (("tuned", "tune"), ("with hindsight", "check")):
        other = pairs.half(half)
        values = other["containment"].fill_null(0.0).to_numpy()
        answers = other["same"].to_numpy()
        best = max((f1(answers, values >= t), t) for t in np.unique(values))[1]
        said = mine >= best
        chance = sign_test(ours == truth, said == truth)
        note = f"threshold {best:.2f}; p = {chance:.2g} that ours is better by chance"
        made.append(named(f"containment alone, {name}", _f1(truth, said), len(truth), note=note))
    return made


def _f1(truth: np.ndarray, said: np.ndarray) -> Estimate:
    return with_interval(lambda at: f1(truth[at], said[at]), len(truth))


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text.strip().split(".")[0] + " +0000", "%d-%b-%Y %H:%M:%S %z")
    except ValueError:
        return None
