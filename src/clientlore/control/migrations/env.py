"""Runs migrations on the connection handed over by `clientlore.control.migrate`."""

from alembic import context

from clientlore.control.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
