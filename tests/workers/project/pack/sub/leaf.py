def f():
    return "leaf"
