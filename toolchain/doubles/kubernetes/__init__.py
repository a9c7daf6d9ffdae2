"""Stand-in for `pulumi-resource-kubernetes`: real in what it does, against whatever API server the stack points at.

Promises, for every kind of object the server knows, custom ones included:

    preview     server-side dry-run with strict field validation. Where that cannot be had, because the namespace, the
                kind or an input is only made by the same `up`, what is left is still checked (see `rehearsal`)
    create,     server-side apply under a field manager of the resource's own: a field taken out of the program vanishes
    update      from the object, and a field that somebody else owns is a conflict that is told, not overwritten, unless
                the annotation `pulumi.com/patchForce: "true"` says so. An object that is there already is taken over
    replace     where a property cannot change in place, by a table (`immutable`) or by what a dry-run answers
    names       `metadata.name` left out becomes the resource's name with a random suffix that stays
    waiting     until Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs, Pods, Services, PersistentVolumeClaims,
                PersistentVolumes, Namespaces, CustomResourceDefinitions and APIServices are what they should be, with
                progress, and with the reason when they are not; everything else is ready once it is stored. Bounds come
                from `customTimeouts`, then `pulumi.com/timeoutSeconds`; `pulumi.com/skipAwait: "true"` goes without.
                One that fails stays in the state as it is, and the next `up` goes on from there
    refresh,    drift is what a dry-run of the recorded inputs would change; an object that is gone leaves the state
    import
    delete      waits until the object and what it owns are gone, and says what holds it;
                `pulumi.com/deletionPropagationPolicy` chooses another way
    secrets     the content of a Secret is secret in the state, whether the program marked it or not

Does not promise: charts, releases, kustomizations, YAML components, `*List` and `*Patch` resources and functions (each
refused by name); client-side apply; rendering to a folder; the annotations `pulumi.com/waitFor` and `replaceUnready`;
waiting for an Ingress; replacing everything when the provider is pointed at another cluster, except by
`clusterIdentifier`; credential plugins that answer with a client certificate or speak only
`client.authentication.k8s.io/v1`.
"""
