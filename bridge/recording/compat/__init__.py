"""The results of python-record-api 1.3.2: its stubs, and, with `--strict-compat`, its merging with all its faults.

Everything here works on the JSON of an api.json as it is, since what the old tool gives depends on the order in which
things stand there.
"""
