"""What runs inside a recorded process: it sees which API of some modules other modules really use.

`bascule record` starts a program with this package beside it. Nothing here needs more than the standard library, and
nothing of it runs user code: types are read with `type()`, attributes through the descriptors of builtin types, never
with `isinstance`, `repr`, `==` or a property. The story of one event:

    bytecode.py     what an instruction does and where its operands lie: pure, for CPython 3.11, 3.12 and 3.13
    monitoring.py   3.12 and newer: `sys.monitoring` tells each instruction, the operands are read off the frame's stack
    rewriting.py    3.11: the bytecode of recorded modules is rewritten so that it hands over its operands itself, by
                    `assembler.py`, or `splicing.py` where an entrance is enough, wherever `loading.py` gets it from
    sites.py        one place in a program: what it has told, and when it has been seen often enough
    operations.py   operands -> which function of the target was called, with what
    matching.py     does this value belong to the target?
    values.py       a value -> what the trace says of it
    binding.py      arguments -> the names of the function's parameters
    output.py       a line -> the file of this process

`session.py` puts them together; `program.py` runs a module or a script so, `plugin.py` does it for pytest.
"""
