"""The ways in. A door turns a client's bytes into requests and the router's answers into bytes, and nothing else.

`base` is what the router asks of each. `port` and `service` are one module each, `front` hears who comes to a listener
and then gives way to another. The pod's door is `pod`, with a module for each thing that a pod has: exports and what is
known of them, the namespace `py`, its runs of many calls, the payload formats.
"""
