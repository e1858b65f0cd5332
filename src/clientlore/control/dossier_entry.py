"""What dossiers tell of a tenant's memory, as its file says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class DossierEntry(BaseModel):
    """What dossiers tell.

    Attributes:
        clearance: Nothing above this security tier stands in a dossier, nor bears on its counts: whoever looks after
            the client reads it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    clearance: Literal["general", "confidential", "secret", "ultra_secret"] = "general"

    def settings(self) -> dict[str, Any]:
        """As the tenant's settings; empty where all is as it is without."""
        values = self.model_dump(exclude_defaults=True)
        return {"dossiers": values} if values else {}


def dossiers_of(settings: Mapping[str, Any]) -> DossierEntry:
    """What a tenant's dossiers tell, from its settings."""
    return DossierEntry.model_validate(settings.get("dossiers") or {})
