"""Jobs that answer questions: they need no data set, and what they find is long."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ID = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")
_KNOWN_BEFORE = ("training", "learning_rate_range")


def upgrade() -> None:
    _let_data_set_be_null(True)
    op.create_table(
        "answers",
        sa.Column(
            "job_id",
            _ID,
            sa.ForeignKey("jobs.id", name="fk_answers_job_id_jobs", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("content_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_answers"),
    )
    op.create_index("ix_answers_content", "answers", ["content"])


def downgrade() -> None:
    op.drop_table("answers")
    _forget_other_kinds()
    _let_data_set_be_null(False)


def _forget_other_kinds() -> None:
    """Nothing before this knows what to do with such jobs."""
    jobs = sa.table("jobs", sa.column("id"), sa.column("kind"))
    unknown = sa.select(jobs.c.id).where(jobs.c.kind.not_in(_KNOWN_BEFORE))
    found = sa.inspect(op.get_bind())
    # While SQLite migrates, no foreign key does the deleting.
    for name in found.get_table_names():
        if any(key["referred_table"] == "jobs" for key in found.get_foreign_keys(name)):
            child = sa.table(name, sa.column("job_id"))
            op.execute(sa.delete(child).where(child.c.job_id.in_(unknown)))
    op.execute(sa.delete(jobs).where(jobs.c.kind.not_in(_KNOWN_BEFORE)))


def _let_data_set_be_null(nullable: bool) -> None:
    # SQLite copies the table for it, and would copy this index without its direction.
    op.drop_index("ix_jobs_queue", "jobs")
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("dataset_id", existing_type=_ID, nullable=nullable)
    op.create_index("ix_jobs_queue", "jobs", ["state", sa.text("priority DESC"), "id"])
