"""The job that takes documents from the inbox: one step, one call of the library."""

from dataclasses import asdict

import dagster as dg

from clientlore.runs.session import Session


@dg.op(description="Keeps the files and mails of every tenant's inbox as documents.")
def take_documents(context: dg.OpExecutionContext, run: dg.ResourceParam[Session]) -> None:
    """One call of the library."""
    from clientlore.memory.documents.inbox import take_all

    taken = take_all(run.ctx.workspace, context.run_id)
    counted = [asdict(one) for one in taken]
    names = ("files", "added", "replaced", "known", "failed")
    context.add_output_metadata({name: sum(one[name] for one in counted) for name in names})
    for one in counted:
        context.log.info("inbox: %s", one)


@dg.job(
    description="Makes documents of the files and mails that lie in the inbox folders; the sensor inbox starts it. "
    "Taking the same again changes nothing; what cannot be kept is set aside with the reason.",
)
def take_inbox() -> None:
    """One step."""
    take_documents()
