"""The jobs of a queue, newest first, whatever their state: each page sorted all of them."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index("ix_jobs_queue_number", "jobs", ["queue", "number"])
