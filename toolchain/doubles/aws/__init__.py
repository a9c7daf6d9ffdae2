"""Stand-in for `pulumi-resource-aws`: a simulated account in a file, with no promise of AWS's behaviour.

The file is the one that AWS_DOUBLE_ACCOUNT names. Without it a preview shows the whole plan, and everything that would
make, change or look at something is refused: nobody mistakes a simulated `up` for a real one.

Promises, for the resource types of `types/`:

    check       inputs against botocore's model of the service: names of properties, enums, patterns, ranges, what is
                required; addresses, ARNs and JSON documents by their shape. Names left out get a random suffix that
                stays, default tags are merged into `tagsAll`
    replace     where a property cannot change in place, by a table (`types/`)
    outputs     ids and ARNs in AWS's shape; the same resource made again has another id
    create      refused where the name is taken, or where what it refers to is not in the account
    delete      refused while others need it, with AWS's error (`references`); what AWS lets go along goes along
    refresh,    the account's own record; what is gone leaves the state
    import
    failure     AWS_DOUBLE_FAIL=PATTERN[:before|:after] makes the first create of a run fail whose type or name matches:
                before anything is made, or after, when the resource is there but its answer is lost
    functions   getCallerIdentity, getPartition, getRegion and ecr.getAuthorizationToken

Does not promise: that AWS takes what the stand-in takes, quotas, permissions, prices, time, consistency after a while;
other resource types, functions, components (each refused by name); methods of credentials, `ignoreTags` and `endpoints`
are without effect. Of what runs in a cluster or lies in a bucket nothing is known but what `plant` puts there.

    python -m toolchain.doubles.aws                           lists what the account holds
    python -m toolchain.doubles.aws plant object BUCKET KEY   puts an object, image or interface there

The account's number is AWS_DOUBLE_ACCOUNT_ID when the file is made, else the first of `allowedAccountIds`, else
123456789012. AWS_DOUBLE_EKS names a kubeconfig: then its API server answers for every simulated EKS cluster.
"""
