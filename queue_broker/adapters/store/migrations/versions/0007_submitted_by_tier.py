"""What has no estimate yet, by tier: thousands of sweeps stood before a production job."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

WAITS = sa.text("state = 'SUBMITTED' AND n_waiting > 0")


def upgrade() -> None:
    op.drop_index("ix_groups_submitted", "groups")
    op.create_index(
        "ix_groups_submitted",
        "groups",
        ["tier", "number"],
        postgresql_where=WAITS,
        sqlite_where=WAITS,
    )
