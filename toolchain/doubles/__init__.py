"""Stand-ins for Pulumi plugins that no package registry carries.

Each module says at its top what its stand-in promises and what it does not. They are on PATH only where the official
plugin is missing (see `launchers`), and each says so once through the engine's log.

    provider, server, properties, changes, engine, errors     what every stand-in shares
    language_host, language_program                           pulumi-language-python
    kubernetes/                                               pulumi-resource-kubernetes
    aws/                                                      pulumi-resource-aws
    docker_build/                                             pulumi-resource-docker-build
"""
