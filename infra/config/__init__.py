"""The whole configuration of a stack: a file a section, with every default and what it means.

`Pulumi.<stack>.yaml` says what differs; `reading` reads it in one go and says all that is wrong with it.
"""
