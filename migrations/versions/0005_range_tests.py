"""Kinds of jobs, and what a job has found that makes no model."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("kind", sa.String(32), nullable=False, server_default="training"))
    op.add_column("jobs", sa.Column("result", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "result")
    op.drop_column("jobs", "kind")
