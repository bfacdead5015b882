"""Contracts: Gugugu's definition files, read, checked, and turned into code that speaks over the bridge.

A folder of `.pg` files goes through rooms of one subject each:

    tokens -> layout -> parser -> syntax -> resolving -> schema -> generators -> writing
                                            meanings, checks

`sources` is how all of them say what is wrong and where. `loading` is the whole way from a folder to a schema, and the
schema is the centre: every generator, the bridge's mounts, `differences` and `formatting` start from it. What generated
code needs at run time is not here but in `bascule.workers.contracts`, which the standard library alone can run.

Gugugu's words: a *module* is one file; a *record* has fields, an *enum* has members, a *foreign* type is a name for a
type of the target language; a *function* takes one value and gives one. *Classic* is what gugugu-python 0.5.2.0 writes,
*modern* is our own Python with the same wire form.
"""
