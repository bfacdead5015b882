"""What generated code and mounted implementations need at run time: the standard library is enough for all of it.

`wire` has the plain form of values, the converters of foreign types, and the errors that say where something is wrong,
and how msgspec does the same where it is installed; `codecs` are the implementations of formats, `encoding` and
`decoding` what all of those share; `comparing` says which differences of two contracts break whom; `mounting` has the
implementation of a module as functions that workers offer.
"""
