"""Finds the first node where a dump of attend leaves transformers: python tests/goldens/bisect.py --help

The work is done in bisect_dump.py. Scripts of this folder that import the standard module of this name find
this file first, so it passes that module on.
"""

from _bisect import bisect_left, bisect_right, insort_left, insort_right  # noqa: F401

bisect, insort = bisect_right, insort_right

if __name__ == "__main__":
    import sys

    from bisect_dump import main

    sys.exit(main())
