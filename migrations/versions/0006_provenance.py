"""On what each run was computed, beside its plan and in its model."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = ("job_plans", "models")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("provenance", sa.Text(), nullable=False, server_default="[]"))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "provenance")
