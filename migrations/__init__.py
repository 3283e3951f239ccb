"""The history of the tables, one file a step, in one line for both databases.

A new step: change the feature's `tables.py`, look up the newest file in `versions/`, and write `NNNN_name.py` with the
next number, `revision = "NNNN"` and `down_revision` the number before. Types are the plain ones: `sa.BigInteger()` for
UtcTime, `sa.Text()` for JsonText, `sa.String(64)` for BlobDigest, and for Id
`sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")`. Names of constraints follow
`service.kit.database.tables`. A step never imports the application: it must mean the same in a year.
`tests/service/kit/test_migrations.py` compares the result with the tables and goes up, down and up again, on both
databases.
"""
