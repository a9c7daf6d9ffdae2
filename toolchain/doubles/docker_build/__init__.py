"""Stand-in for `pulumi-resource-docker-build`: builds with buildah what the official one builds with Docker.

Promises `docker-build:index:Image`: builds from `context.location` and `dockerfile.location` with `buildArgs`,
`labels`, `target`, `noCache`, `pull` and one platform; layers are cached, the output is shown as it comes. With `push`
every tag is pushed, to a registry on this machine over plain HTTP. `ref` is the first tag with the digest, and
`contextHash` changes with any file of the context that .dockerignore lets in, and with the Dockerfile: such a change
builds anew, and nothing else does. A preview never builds unless `buildOnPreview` is true, and then pushes nothing.
A refresh looks whether the registry still has the image; one that is gone is built again by the next `up`.

Does not promise: copying by `docker-build:index:Index`, several platforms, `addHosts`, `exports`, `secrets`, `ssh`,
`exec`, inline Dockerfiles, remote and named contexts (each refused by name); taking images off the registry on
`destroy`. `builder`, `cacheFrom`, `cacheTo`, `load` and `network` are without effect: buildah has its own cache and
store and uses the machine's network.

With DOCKER_BUILD_DOUBLE_RECORD=true it neither builds nor pushes: it records a digest for what would be built, for any
platforms, or copied, takes an image that was recorded for one that is there, and says so in every run.

The program is `buildah` on PATH, or what TOOLCHAIN_BUILDAH names; its own variables (CONTAINERS_STORAGE_CONF and the
like) pass through.
"""
