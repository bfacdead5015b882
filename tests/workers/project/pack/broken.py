import a_package_that_is_nowhere.inside  # noqa: F401
