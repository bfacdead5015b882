def helper():
    return "the module's"


class Twin:
    @staticmethod
    def method():
        return "the class's"
