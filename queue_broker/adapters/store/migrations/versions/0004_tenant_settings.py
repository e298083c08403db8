"""Tenants keep all of their settings, whatever the vocabulary grows."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TENANTS = sa.table(
    "tenants", *(sa.column(name) for name in ("name", "weight", "parent", "settings"))
)


def upgrade() -> None:
    op.add_column("tenants", sa.Column("settings", sa.Text()))
    connection = op.get_bind()
    for row in connection.execute(sa.select(TENANTS)).all():
        settings = json.dumps({"name": row.name, "weight": row.weight, "parent": row.parent})
        mine = TENANTS.c.name == row.name
        connection.execute(sa.update(TENANTS).where(mine).values(settings=settings))
    with op.batch_alter_table("tenants") as table:
        table.drop_constraint("ck_tenants_weight", type_="check")
        table.drop_column("weight")
        table.drop_column("parent")
