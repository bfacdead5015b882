from pack.sub.leaf import f
