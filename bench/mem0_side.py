"""mem0 on the texts of `bench.memory`, in an interpreter that has it: reads a job, writes its figures as JSON.

Its store is in this process (Qdrant, local), nothing is inferred, and vectors come from the same stub.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["MEM0_TELEMETRY"] = "False"


def main(job: Path) -> dict[str, Any]:
    """Adds and searches as the job says, within its seconds."""
    from mem0 import Memory

    told = json.loads(job.read_text())
    size = told["dimension"]

    class Stub:
        def embed(self, text: str, _action: str | None = None) -> list[float]:
            import zlib

            import numpy as np

            made = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(size)
            return [float(x) for x in made / np.linalg.norm(made)]

        def embed_batch(self, texts: list[str], _action: str | None = None) -> list[list[float]]:
            return [self.embed(text) for text in texts]

    folder = tempfile.mkdtemp()
    store = {"path": f"{folder}/q", "embedding_model_dims": size, "collection_name": "bench"}
    memory = Memory.from_config(
        {
            "vector_store": {"provider": "qdrant", "config": {**store, "on_disk": True}},
            "embedder": {
                "provider": "openai",
                "config": {"api_key": "none", "embedding_dims": size},
            },
            "llm": {"provider": "openai", "config": {"api_key": "none"}},
            "history_db_path": f"{folder}/history.db",
        }
    )
    memory.embedding_model = Stub()
    started, added = time.perf_counter(), 0
    for text, owner in told["memories"]:
        memory.add(text, user_id=owner, infer=False)
        added += 1
        if time.perf_counter() - started > told["seconds"]:
            break
    rate = added / (time.perf_counter() - started)
    spent = []
    for text, owner in told["queries"]:
        began = time.perf_counter()
        memory.search(text, filters={"user_id": owner}, top_k=10)
        spent.append(1000 * (time.perf_counter() - began))
    return {"added": added, "adds_a_second": rate, "search_ms": spent}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))) + "\n")
