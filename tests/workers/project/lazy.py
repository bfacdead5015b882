def __getattr__(name):
    if name == "made_late":
        return lambda: "late"
    raise AttributeError(name)
