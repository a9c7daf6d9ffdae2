"""Logging in at the load balancer, with an OpenID Connect provider."""

import json
from collections.abc import Mapping
from typing import Final

import pulumi
import pulumi_kubernetes as k8s

from infra.config.oidc import OidcConfig
from infra.platform import Endpoint

_CONTROLLERS: Final = "eks:managed"
"""The group of Auto Mode's own controllers, the load balancers' one among them. It may read no Secret unless told so:
docs.aws.amazon.com/eks/latest/userguide/auto-managed-rbac-example.html"""


class Login:
    """What an Ingress of one endpoint needs for people to log in first.

    Attributes:
        annotations: of the Ingress.
        ready: what has to be there before it.
    """

    annotations: Mapping[str, pulumi.Input[str]]
    ready: tuple[pulumi.Resource, ...]

    def __init__(self, endpoint: Endpoint, config: OidcConfig, opts: pulumi.ResourceOptions) -> None:
        """Makes the client's Secret beside the endpoint and lets the load balancers' controller read this one alone."""
        name = f"{endpoint.name}-oidc"
        secret = k8s.core.v1.Secret(
            name,
            metadata={**endpoint.metadata, "name": name},
            string_data={
                "clientID": config.client_id,
                "clientSecret": pulumi.Output.secret(config.client_secret.get_secret_value()),
            },
            opts=opts,
        )
        role = k8s.rbac.v1.Role(
            name,
            metadata={**endpoint.metadata, "name": name},
            rules=[{"api_groups": [""], "resources": ["secrets"], "resource_names": [name], "verbs": ["get"]}],
            opts=opts,
        )
        binding = k8s.rbac.v1.RoleBinding(
            name,
            metadata={**endpoint.metadata, "name": name},
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": role.metadata.name},
            subjects=[{"api_group": "rbac.authorization.k8s.io", "kind": "Group", "name": _CONTROLLERS}],
            opts=opts,
        )
        prefix = "alb.ingress.kubernetes.io/auth"
        provider = {
            "issuer": config.issuer,
            "authorizationEndpoint": config.authorization_endpoint,
            "tokenEndpoint": config.token_endpoint,
            "userInfoEndpoint": config.user_info_endpoint,
            "secretName": name,
        }
        self.annotations = {
            f"{prefix}-type": "oidc",
            f"{prefix}-idp-oidc": json.dumps(provider),
            f"{prefix}-scope": config.scope,
            f"{prefix}-on-unauthenticated-request": config.unauthenticated,
        }
        self.ready = (secret, binding)
