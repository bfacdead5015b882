"""The others: each module starts one and hands out the few operations that rows compare."""
