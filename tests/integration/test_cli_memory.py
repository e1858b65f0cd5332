"""Commands over memory, typed as people type them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from clientlore.cli.main import clientlore
from clientlore.clock import SystemClock
from clientlore.runs.memory_demo import TENANT, play
from clientlore.testing.workspaces import open_workspace, put_tenant


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("CLIENTLORE_HOME", str(folder))
    with open_workspace(folder, SystemClock()) as workspace:
        put_tenant(workspace, "tenant: t1\nname: T\nmode: mock\nclients:\n  - name: Harbor Foods\n")
    return folder


def typed(*words: str, code: int = 0) -> Any:
    result = CliRunner().invoke(clientlore, list(words))
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def answer(*words: str) -> Any:
    return json.loads(typed(*words, "--json"))


def test_what_is_told_is_listed_changed_undone_and_taken_back(home: Path) -> None:
    assert (
        answer("memory", "tell", "harbor-foods", "The CFO of Harbor Foods is Ann")["outcome"]
        == "added"
    )
    second = answer("memory", "tell", "harbor-foods", "Harbor Foods named Bo as CFO")
    assert second["outcome"] == "changed"
    (now,) = answer("memory", "list", "--owner", "harbor-foods")
    assert now["text"] == "Harbor Foods named Bo as CFO"
    assert len(answer("memory", "list", "--all")) == 2
    (*_, added) = answer("memory", "log", "--memory", second["memory_id"])
    assert "Undone: 1" in typed("memory", "undo", added["op_id"])
    (again,) = answer("memory", "list")
    assert again["text"] == "The CFO of Harbor Foods is Ann"
    typed("memory", "retract", again["memory_id"])
    assert answer("memory", "list") == []


def test_maintenance_can_be_looked_at_and_done(home: Path) -> None:
    typed("memory", "tell", "harbor-foods", "A remark")
    looked = answer("memory", "maintain", "--preview")
    assert looked[0]["feature"] == "conflicts"
    (health,) = answer("memory", "maintain", "health")
    assert health["score"] == 100.0
    assert "health" in typed("memory", "maintain")


def test_policies_are_set_told_explained_and_deleted(home: Path) -> None:
    typed(
        "policy", "set", "harbor-foods", "auto_summarization=true", "summarization_threshold=1",
        'decay_schedule={"interval_hours": 6}', "importance_decay=true",
    )  # fmt: skip
    made = json.loads(typed("policy", "get", "harbor-foods"))
    assert (made["summarization_threshold"], made["decay_schedule"]["interval_hours"]) == (1, 6)
    assert answer("policy", "list")[0]["user_id"] == "harbor-foods"
    by_feature = {row["feature"]: row for row in answer("policy", "explain", "harbor-foods")}
    assert by_feature["summarization"]["reason"] == "0 memories are not more than 1"
    assert by_feature["compression"]["reason"] == "compression is switched off"
    assert "is deleted" in typed("policy", "delete", "harbor-foods")
    wrong = CliRunner().invoke(clientlore, ["policy", "set", "x", "conflict_strategy=coin"])
    assert "no strategy 'coin'" in str(wrong.exception)


def test_tasks_are_submitted_listed_and_cancelled(home: Path) -> None:
    typed("memory", "tell", "harbor-foods", "A remark")
    typed("policy", "set", "harbor-foods", "health_monitoring=true")
    assert answer("task", "submit", "harbor-foods", "health", "--now")["status"] == "completed"
    waits = answer("task", "submit", "harbor-foods", "health", "--priority", "high")
    assert waits["status"] == "pending"
    assert len(answer("task", "list")) == 2
    assert "Cancelled" in typed("task", "cancel", waits["task_id"])
    assert [row["status"] for row in answer("task", "list", "--status", "cancelled")] == [
        "cancelled"
    ]


def test_memory_is_exported_and_imported(home: Path, tmp_path: Path) -> None:
    typed("memory", "tell", "harbor-foods", "A remark")
    file = tmp_path / "out.jsonl"
    assert answer("export", str(file)) == {"file": str(file), "operations": 1, "memories": 1}
    assert answer("import", str(file)) == {"appended": 0, "known": 1, "left_out": 0}


def test_somebody_is_forgotten_by_command_with_a_proof(home: Path) -> None:
    typed("memory", "tell", "harbor-foods", "A remark")
    (done,) = answer("forget", "--owner", "harbor-foods", "--yes")
    assert (done["state"], done["proof"]["left"]) == ("done", 0)
    assert len(answer("forget", "--list")) == 1
    assert answer("forget", "--resume") == []
    assert answer("memory", "list") == []


def test_the_nine_steps_of_the_demo_show_what_they_say(home: Path) -> None:
    with open_workspace(home, SystemClock()) as workspace:
        for _ in range(2):
            steps = [step.found for step in play(workspace)]
            assert len(steps) == 9
            assert steps[0]["tenant"] == TENANT
            assert steps[2] == {"added": 12, "changed": 2, "reinforced": 1}
            assert steps[3] == {"summarization": True, "consolidation": False, "compression": False}
            assert steps[4]["summarization"] > 0
            assert steps[4]["compression"] == "compression is switched off"
            assert steps[5]["status"] == "completed"
            assert steps[6]["summary"] >= 1
            assert steps[7] == {"summarise above": 50}
            assert steps[8]["tasks"] == 1
    assert len(answer("demo", "memory")) == 9


def test_a_search_is_narrowed_by_everything_that_the_library_knows_and_explained(
    home: Path, tmp_path: Path
) -> None:
    lines = [
        {"id": "a", "owner": "harbor", "text": "Plants open", "occurred_at": "2026-03-01", "session": "1", "desk": "n"},
        {"id": "b", "owner": "harbor", "text": "Plants close","occurred_at": "2026-03-02", "session": "1", "desk": "o"},
        {"id": "c", "owner": "calder", "text": "Plants move", "occurred_at": "2026-03-03", "kind": "event", "desk":"p"},
        {"id": "d", "owner": "calder", "text": "Plants hide", "occurred_at": "2026-03-04", "security": "secret"},
    ]  # fmt: skip
    told = tmp_path / "told.jsonl"
    told.write_text("".join(json.dumps(line) + "\n" for line in lines))
    typed("memory", "load", str(told), "--tenant", "t1")

    def ids(*options: str) -> str:
        hits = answer("search", "plants", *options)["hits"]
        return "".join(sorted(hit["attributes"]["id"] for hit in hits))

    assert ids() == "abcd"
    assert ids("--owner", "calder") == "cd"
    assert ids("--owner", "calder", "--owner", "harbor", "--kind", "event") == "c"
    assert ids("--where", "desk=n", "--where", "desk=p") == "ac"
    assert ids("--id", "a", "--id", "d") == "ad"
    assert ids("--since", "2026-03-02", "--until", "2026-03-03") == "bc"
    assert ids("--until", "2026-03-02T00:00:00Z") == "ab"
    assert ids("--as-of", "2026-03-02") == "ab"
    assert ids("--clearance", "confidential") == "abc"
    assert len(ids("--by-session", "--owner", "harbor")) == 1
    shown = typed("search", "opens", "--owner", "harbor", "--context", "1", "--explain")
    assert "| Plants close" in shown
    assert "= " in shown
    assert "rank 1" in shown
    typed("search", "plants", "--where", "desk", code=2)
    typed("search", "plants", "--since", "yesterdaily", code=2)
    typed("search", "plants", "--mode", "vector", code=1)


def test_what_texts_say_is_written_out_and_not_remembered(home: Path, tmp_path: Path) -> None:
    lines = [{"id": 7, "text": "Hello. Ann prefers tea."}, {"id": "b", "text": ""}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    typed("memory", "extract", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "out.jsonl"))
    told = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    (memory,) = told[0]["memories"]
    assert (memory["kind"], memory["start"], memory["end"]) == ("preference", 7, 23)
    assert told[1] == {"id": "b", "memories": []}
    again = typed("memory", "extract", str(tmp_path / "in.jsonl"), "--tenant", "t1", "--out", "-")
    assert again.splitlines() == (tmp_path / "out.jsonl").read_text().splitlines()
    assert answer("memory", "list") == []
