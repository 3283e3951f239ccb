"""What the health routes answer."""

from pydantic import Field

from service.kit.http.schemas import StrictModel


class Live(StrictModel):
    """The process is there."""

    live: bool


class Ready(StrictModel):
    """Whether the service can take requests, and what it lacks if not."""

    ready: bool = Field(description="All of the following, and the server is not stopping.")
    database: bool = Field(description="The database can be reached.")
    migrations: bool = Field(description="The database has exactly the tables that this version expects.")
    worker: bool = Field(description="A worker has been heard of within the lease.")
    stopping: bool = Field(description="The server has been told to stop.")
