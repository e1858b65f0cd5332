"""The inbox: one run when something waits, documents afterwards, and nothing left to do."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from clientlore.memory.documents import Documents
from clientlore.workspace import Workspace
from orchestration.definitions import defs
from sensors.inbox import inbox


def tick(instance: dg.DagsterInstance) -> tuple[int, str]:
    context = dg.build_sensor_context(instance=instance, definitions=defs)
    data = inbox.evaluate_tick(context)
    return len(data.run_requests or []), data.skip_message or ""


def lay(workspace: Workspace, name: str) -> Path:
    path = workspace.settings.inbox / "acme" / "harbor-foods" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("Harbor opens two plants")
    return path


def test_a_file_in_the_inbox_starts_one_run_that_makes_it_a_document(
    tenant: Workspace, instance: dg.DagsterInstance
) -> None:
    assert tick(instance) == (0, "0 tenants have files waiting, 0 runs take them")
    path = lay(tenant, "plan.txt")
    assert tick(instance)[0] == 0, "somebody may still be writing"
    os.utime(path, (0, 0))
    assert tick(instance)[0] == 1
    done = defs.resolve_job_def("take_inbox").execute_in_process(instance=instance)
    assert done.success
    (document,) = Documents(tenant, "acme").list_documents().documents
    assert (document.owner_id, document.name) == ("harbor-foods", "plan.txt")
    assert not path.exists()
    assert tick(instance)[0] == 0


def test_no_second_run_starts_while_one_is_taking_files(
    tenant: Workspace, instance: dg.DagsterInstance
) -> None:
    os.utime(lay(tenant, "plan.txt"), (0, 0))
    run = instance.create_run_for_job(
        defs.resolve_job_def("take_inbox"), status=dg.DagsterRunStatus.STARTED
    )
    assert tick(instance) == (0, "1 tenants have files waiting, 1 runs take them")
    instance.report_run_failed(run)
    assert tick(instance)[0] == 1
