"""A document with characters of one, two, three and four bytes before the cursor in its line."""

TEXT = """\
def first(names):
    for name in names:
        print("é☃😀", name)


def second(names):
    for name in names:
        print("é☃😀", na)
"""
LINE_OF_CURSOR, BEFORE = 7, '        print("é☃😀", na'
