"""Reading and writing rows of models."""

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from service.models.names import ModelId
from service.models.tables import ModelNameRow, ModelRow


def next_version(session: Session, name: str) -> int:
    """The next number under a name; two transactions that want one at the same time get different ones."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = (
        insert(ModelNameRow)
        .values(name=name, last_version=1)
        .on_conflict_do_update(index_elements=["name"], set_={"last_version": ModelNameRow.last_version + 1})
        .returning(ModelNameRow.last_version)
    )
    return session.execute(statement).scalar_one()


def by_id(session: Session, model_id: ModelId) -> ModelRow | None:
    """The model of that id."""
    return session.get(ModelRow, model_id)


def by_name(session: Session, name: str, version: int | None) -> ModelRow | None:
    """The model of that name and version; without a version the latest that is left."""
    query = select(ModelRow).where(ModelRow.name == name)
    if version is not None:
        query = query.where(ModelRow.version == version)
    return session.scalars(query.order_by(ModelRow.version.desc()).limit(1)).first()
