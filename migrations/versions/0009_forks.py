"""From which checkpoint of which job each forked job has gone on, and what it has kept of it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "forks",
        sa.Column(
            "job_id", _ID, sa.ForeignKey("jobs.id", name="fk_forks_job_id_jobs", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("parent_id", _ID, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_forks"),
    )
    op.create_index("ix_forks_parent_id", "forks", ["parent_id"])


def downgrade() -> None:
    op.drop_table("forks")
