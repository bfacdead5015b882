"""What becomes of a trace: counted, inferred, combined, written as typed stubs, reported.

The pipeline, each step a file in and a file out:

    trace.jsonl --counts--> grouped.jsonl --infer--> api.json --combine--> api.json --write--> stubs/
                                                                       \\--report--> a table, a page

    reading         lines and API files, damage reported with file and line
    progress        what a trace has so far, on the terminal
    counts          the same call from several places becomes one line with a count
    types           the lattice of types: what is known of a parameter, and the least type above two others
    reading_types   types as a trace and as api.json tell them
    one_call        a grouped line -> the signature of that call
    signatures      parameters of one function, joined from all of its calls
    apis            modules, classes, functions: the content of api.json
    infer           grouped lines -> an API
    stubs           an API -> an importable package of .pyi files;  function_stubs  what they say of a function
    compat          the same with the results of python-record-api, for comparison

Joining is associative, commutative and idempotent all the way up, so the order of inputs never matters.
"""
