from pack.twin import Twin as twin  # noqa: F401
