"""Py.Laagu's names over Bascule: put the folder above on PYTHONPATH, and change nothing else.

    meta         function_signatures, class_signatures, extract_function_signatures, load_module
    babumoshai   load_namespaces, load_as_namespaces, dispatch, the two formats of a description
    cache        init_app, cache, memoize
    utils        to_kebab, to_snake, is_public, debug

What differs is better: a default may be a lambda, coroutines count as functions, docstrings with quotes load; and a pod
outlives an exception, a print, or a result that JSON cannot carry (`wire`).
"""
