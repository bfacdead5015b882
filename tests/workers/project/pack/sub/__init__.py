from pack.sub.leaf import f  # noqa: F401
