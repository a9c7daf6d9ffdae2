"""The policy pack: what a platform team insists on, whoever changes the stack.

Rules are pure functions over plain resources and know of neither Pulumi nor the program that they judge:

    model.py       resource, context, rule, violation
    properties.py  reading properties that may be absent or not known yet
    documents.py   the IAM documents of a resource
    rules/         one file a noun, and the tables of all rules
    adapter.py     Pulumi's arguments to plain resources
    __main__.py    the pack, for `pulumi preview --policy-pack infra/policy`

The pack's SDK wants older protobuf and gRPC packages than the program's SDK brings. So the pack has a virtual
environment of its own, build/policy, which PulumiPolicy.yaml names and git ignores: `make policy` makes it.

Nothing that the pack imports may therefore need more than Python and `pulumi_policy`; a test holds it to that.

What is not known during a preview, such as the ARN of a bucket that is yet to be made, is neither right nor wrong:
rules leave it out, and are asked again during the update, when it is known.
"""
