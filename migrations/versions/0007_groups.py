"""Groups of columns."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("groups", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("datasets", "groups")
