"""What runs notice of their layers."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "layers",
        sa.Column(
            "job_id", _ID, sa.ForeignKey("jobs.id", name="fk_layers_job_id_jobs", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "epoch", name="pk_layers"),
    )


def downgrade() -> None:
    op.drop_table("layers")
