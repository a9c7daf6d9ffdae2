"""A new model from a template: a folder in models/ and a line in the configuration of the local stack."""
