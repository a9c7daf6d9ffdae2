"""Who may reach a public endpoint by logging in."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from infra.section import Section

HttpsUrl = Annotated[str, Field(pattern=r"^https://[^\s?#]+$", max_length=2048)]


class OidcConfig(Section):
    """People log in with an OpenID Connect provider before the load balancer lets a request through."""

    issuer: Annotated[HttpsUrl, Field(description="as the provider's discovery document has it")]
    authorization_endpoint: Annotated[HttpsUrl, Field(description="likewise")]
    token_endpoint: Annotated[HttpsUrl, Field(description="likewise")]
    user_info_endpoint: Annotated[HttpsUrl, Field(description="likewise")]
    client_id: Annotated[str, Field(min_length=1, description="of the client that the provider knows")]
    client_secret: Annotated[SecretStr, Field(min_length=1, description="its secret; set with --secret")]
    scope: Annotated[str, Field(pattern=r"^openid( [!-~]+)*$", description="what is asked for, `openid` first")] = (
        "openid"
    )
    unauthenticated: Annotated[
        Literal["authenticate", "deny"],
        Field(description="sends whoever is not logged in to the provider, or answers 401"),
    ] = "authenticate"
