"""Alembic's entry: the connection and its transaction are the caller's (`migrate.run`)."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
