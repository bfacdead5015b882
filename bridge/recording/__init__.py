"""What becomes of a trace: counted, inferred, combined, written as typed stubs, reported.

The pipeline, each step a file in and a file out:

    trace.jsonl --counts--> grouped.jsonl --infer--> api.json --combine--> api.json --write--> stubs/
                                                                       \\--report--> a table, a page

    reading.py     lines and API files, damage reported with file and line
    progress.py    what a trace has so far, on the terminal
    counts.py      the same call from several places becomes one line with a count
    types.py       the lattice of types: what is known of a parameter, and the least type above two others
    signatures.py  parameters of one function, joined from all of its calls
    apis.py        modules, classes, functions: the content of api.json
    infer.py       grouped lines -> an API
    stubs.py       an API -> an importable package of .pyi files
    compat/        the same with the results of python-record-api, for comparison

Joining is associative, commutative and idempotent all the way up, so the order of inputs never matters.
"""
