"""Documents by kind, name and revision; an index for the jobs of one queue in one state."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.CheckConstraint("revision >= 0 AND version > 0", name=op.f("ck_documents_numbers")),
        sa.PrimaryKeyConstraint("kind", "name", "revision", name=op.f("pk_documents")),
    )
    op.create_index("ix_jobs_queue_state_number", "jobs", ["queue", "state", "number"])
