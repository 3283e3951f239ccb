"""What the server says of itself."""

from pydantic import Field

from service.kit.http.schemas import StrictModel


class Limits(StrictModel):
    """What a request may ask for at most."""

    max_body_bytes: int = Field(description="Largest body of a request.")
    max_json_bytes: int = Field(description="Largest JSON body.")
    max_parameters: int = Field(description="Parameters of one network.")
    job_memory_mb: int = Field(description="Memory of one job.")
    job_seconds: int = Field(description="Running time of one job.")
    page_items: int = Field(description="Items of one page of a list.")
    json_depth: int = Field(description="Levels of nesting in a JSON body.")


class Server(StrictModel):
    """Name, version and limits."""

    name: str
    version: str
    documentation: str = Field(description="Path of the documentation, for people.")
    openapi: str = Field(description="Path of the OpenAPI document, for programs.")
    limits: Limits
