"""The `clientlore` command: its subcommands, loaded when they are asked for."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Mapping

import click

from clientlore import __version__
from clientlore.leaving import leave_quickly

# command -> module:attribute
_COMMANDS: Mapping[str, str] = {
    "init": "setup:init",
    "apply": "setup:apply",
    "client": "setup:client",
    "demo": "running:demo",
    "run": "running:run",
    "backfill": "running:backfill",
    "status": "watching:status",
    "doctor": "doctor:doctor",
    "providers": "providers:providers",
    "collect": "providers:collect",
    "crm": "crm:crm",
    "fake-providers": "providers:fake_providers",
    "dedup": "dedup:dedup",
    "match": "files:match",
    "classify": "files:classify",
    "eval": "evaluating:evaluate",
    "digest": "reading:digest",
    "search": "searching:search",
    "dossier": "showing:dossier",
    "page": "showing:page",
    "trace": "reading:trace",
    "explain": "reading:explain",
    "feedback": "feedback:feedback",
    "replay": "replaying:replay",
    "schedule": "operating:schedule",
    "tenant": "operating:tenant",
    "quarantine": "quarantine:quarantine",
    "review": "reviewing:review",
    "event": "splitting:event",
    "outbox": "operating:outbox",
    "document": "documents:document",
    "memory": "remembering:memory",
    "policy": "automating:policy",
    "task": "automating:task",
    "export": "moving:export",
    "import": "moving:import_",
    "warehouse": "warehouse:warehouse",
    "forget": "forgetting:forget",
    "db": "operating:db",
}


class _LazyGroup(click.Group):
    """A group that imports a subcommand's module when the subcommand is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[name].split(":")
        found = getattr(importlib.import_module(f"clientlore.cli.{module}"), attribute)
        assert isinstance(found, click.Command)
        return found


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="clientlore")
def clientlore() -> None:
    """News and CRM activity about your clients: folded, scored, remembered and mailed.

    Start with `clientlore demo`, or with `clientlore init` for your own clients.
    """


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 1 failed, 2 wrong usage, 3 done in part."""
    leave_quickly()
    try:
        clientlore.main(args=arguments, prog_name="clientlore", standalone_mode=False)
    except click.exceptions.Exit as ending:
        sys.exit(ending.exit_code)
    except click.exceptions.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        from clientlore.errors import ClientloreError

        if not isinstance(error, ClientloreError):
            logging.getLogger("clientlore").debug("defect", exc_info=True)
            raise
        click.echo(
            f"Error: {error.what}." if not error.what.endswith(".") else f"Error: {error.what}",
            err=True,
        )
        if error.next_step:
            click.echo(error.next_step, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
