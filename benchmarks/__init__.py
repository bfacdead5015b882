"""Side by side with peers, in one run, ratios first: `make bench`, or `make bench ONLY=pattern` for a part.

Microseconds say little on a machine that others use too; ratios within one run say a lot. So every row alternates
rounds of ours and of a peer that does the same, and reports the median of the rounds' ratios beside both medians.

    measure.py   rounds, medians, pinning to one core
    rows.py      what a row is, and when it is reached
    subject.py   the functions that everybody calls
    pipes.py     the raw client of a process that speaks {packet, 4} on its pipes
    ours.py      Bascule's processes, ready to be measured
    peers/       the others, each in a module of its own
    cases/       the rows, each module with one `measure()`
"""
