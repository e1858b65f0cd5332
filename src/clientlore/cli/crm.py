"""`clientlore crm`: logging in to a CRM by hand."""

from __future__ import annotations

import click

from clientlore.cli.common import opened


@click.group()
def crm() -> None:
    """The CRM that clients come from."""


@crm.command()
@click.option(
    "--redirect-uri",
    default="http://localhost:1717/callback",
    show_default=True,
    metavar="URL",
    help="As the app has it; nothing needs to answer there.",
)
@click.option(
    "--refresh-token",
    "by_hand",
    is_flag=True,
    help="Ask for a refresh token that you have already, instead of a login in the browser.",
)
def login(redirect_uri: str, by_hand: bool) -> None:
    """Logs in to Salesforce and stores the refresh token, which then renews itself.

    Needed where SALESFORCE_CLIENT_ID stands for an app with the refresh-token flow; the others log in by themselves.
    """
    import asyncio
    from random import Random

    from clientlore.providers.crm import salesforce_code as code
    from clientlore.providers.crm.salesforce_login import store_of
    from clientlore.providers.crm.token_store import Tokens
    from clientlore.providers.http import Http, open_client

    with opened() as workspace:
        settings = workspace.settings
        invitation = code.invite(settings, redirect_uri)
        if by_hand:
            pasted = click.prompt("Refresh token", hide_input=True, err=True)
        else:
            click.echo("Open this address, approve the app, and come back:", err=True)
            click.echo(invitation.url)
            pasted = click.prompt("The address that you were sent to then", err=True)

        async def go() -> Tokens:
            async with open_client(settings.http_timeout_seconds, settings.ca_path) as client:
                http = Http(client, clock=workspace.clock, rng=Random())  # noqa: S311 - jitter
                if by_hand:
                    return await code.take_over(settings, http, pasted.strip())
                return await code.log_in(
                    settings, http, invitation, code.code_in(pasted, invitation)
                )

        tokens = asyncio.run(go())
    click.echo(f"Logged in at {tokens.instance_url}; the tokens are in {store_of(settings).path}.")
